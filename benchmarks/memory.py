"""Peak memory of training, ours and the article's loop, and of folders of many images.

    python -m benchmarks.memory

Each case runs in a process of its own and reports its largest resident size. The folders of many images are links
to the 626 synthetic coils; `memory_budget` (MiB) bounds the decoded images that are kept in memory, the rest lies
in a file. The growth from a small folder to a large one is what the number of images costs.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path


def _peak() -> float:
    """Largest resident size of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _link_folder(source: Path, folder: Path, count: int) -> None:
    """`count` links to the images below `source`, class folders kept."""
    images = sorted(source.rglob("*.png"))
    for index in range(count):
        image = images[index % len(images)]
        place = folder / image.parent.name / f"{index:06d}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        os.link(image, place)


def _case(kind: str, root: str, data: str, budget: int) -> None:
    """One case: read every image once and train `batches` batches."""
    from itertools import islice

    import torch

    from benchmarks.coil import coil_data
    from benchmarks.coil_training import article
    from inspection.models.lenet import LeNet
    from inspection.models.normalised import Normalised

    torch.manual_seed(0)
    module = coil_data(data, root=root, memory_budget=budget)
    if kind == "article":
        files, targets = module.find_samples(Path(root))
        module.samples = module._deal_out(files, targets)  # the article's loop has no cache
        module.root = Path(root)
        next(article(module, 0))
    else:
        module.setup()
        network = Normalised(LeNet(1, (400, 700), 2), module.mean, module.std)
        optimizer = torch.optim.SGD(network.parameters(), lr=0.01, fused=True)
        for batch in islice(module.train_dataloader(), 32):
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16):
                logits = network(batch["image"].contiguous(memory_format=torch.channels_last))
            torch.nn.functional.cross_entropy(logits.float(), batch["target"]).backward()
            optimizer.step()
        for loader in (module.train_dataloader(), module.val_dataloader(), module.test_dataloader()):
            for _ in loader:  # every image once more, in random order for training
                pass
    print(f"{_peak():.0f}")


def main() -> None:
    """Run all cases and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="data", help="folder for synthetic images and the cache")
    parser.add_argument("--budget", type=int, default=512, help="MiB of decoded images in memory")
    parser.add_argument("--many", type=int, default=20000, help="images of the large folder")
    parser.add_argument("--case", nargs=2, metavar=("KIND", "ROOT"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case:
        _case(*given.case, given.data, given.budget)
        return
    from inspection.data.synthetic.coil import SyntheticCoils

    source = SyntheticCoils(f"{given.data}/synthetic/coil").prepare()
    with tempfile.TemporaryDirectory(dir=given.data) as folder:
        # Links lie beside their source: a link can't cross to another disk.
        many, some = Path(folder) / "many", Path(folder) / "some"
        _link_folder(source, many, given.many)
        _link_folder(source, some, given.many // 8)
        cases = [
            ("article's loop, 626 images", "article", source),
            ("ours, 626 images (in memory)", "ours", source),
            (f"ours, {given.many // 8} images (on disk)", "ours", some),
            (f"ours, {given.many} images (on disk)", "ours", many),
        ]
        print(f"peak resident memory, one process each; memory_budget {given.budget} MiB")
        for name, kind, root in cases:
            command = [sys.executable, "-m", "benchmarks.memory", "--case", kind, str(root)]
            command += ["--data", folder if root != source else given.data, "--budget", str(given.budget)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            print(f"  {name:34s} {done.stdout.strip() or done.stderr.strip()[-300:]} MiB", flush=True)


if __name__ == "__main__":
    main()
