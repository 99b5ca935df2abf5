// The report's page: theme, threshold slider, gallery, copying. Names of files and classes are written as text
// (textContent) only; nothing here makes markup of a string.
(function () {
  "use strict";

  const by = (id) => document.getElementById(id);

  function values(id) {
    const block = by(id);
    return block === null ? null : JSON.parse(block.textContent);
  }

  // ---- theme -------------------------------------------------------------------------------------------------

  function startTheme() {
    const button = by("theme");
    const prefersDark = window.matchMedia("(prefers-color-scheme: dark)");
    let chosen = null;
    try {
      chosen = window.localStorage.getItem("inspection-report-theme");
    } catch (error) {
      // a browser that keeps nothing for files: the theme of the system
    }
    function show() {
      const dark = chosen === null ? prefersDark.matches : chosen === "dark";
      if (chosen === null) {
        document.documentElement.removeAttribute("data-theme");
      } else {
        document.documentElement.setAttribute("data-theme", chosen);
      }
      button.setAttribute("aria-pressed", String(dark));
    }
    button.addEventListener("click", function () {
      chosen = button.getAttribute("aria-pressed") === "true" ? "light" : "dark";
      try {
        window.localStorage.setItem("inspection-report-theme", chosen);
      } catch (error) {
        // as above
      }
      show();
    });
    prefersDark.addEventListener("change", show);
    show();
  }

  // ---- threshold slider --------------------------------------------------------------------------------------

  function decoded(text, Kind) {
    const raw = atob(text);
    const bytes = new Uint8Array(raw.length);
    for (let place = 0; place < raw.length; place += 1) {
      bytes[place] = raw.charCodeAt(place);
    }
    return new Kind(bytes.buffer);
  }

  // Number of thresholds that are at least `limit`, of descending ones: by halves.
  function above(thresholds, limit) {
    let low = 0;
    let high = thresholds.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (thresholds[middle] >= limit) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  const ratio = (part, whole) => (whole > 0 ? part / whole : NaN);
  const share = (value) => (Number.isNaN(value) ? "undefined" : value.toFixed(3));
  const whole = (value) => value.toLocaleString("en-GB");
  const money = (value) => value.toLocaleString("en-GB", { maximumFractionDigits: 2 });

  function startSlider() {
    const data = values("scores");
    if (data === null) {
      return;
    }
    const range = by("threshold-range");
    const exact = by("threshold-number");
    const nameBox = by("slider-name");
    const partBox = by("slider-part");
    const costs = { missed: by("cost-missed"), alarm: by("cost-alarm") };
    const panels = document.querySelectorAll(".curves");
    let current = data.sets[data.first];
    let threshold = current.stored;
    let speaking = 0;

    function prepared(set) {
      if (typeof set.thresholds === "string") {
        set.thresholds = decoded(set.thresholds, Float64Array);
        set.called = decoded(set.called, Uint32Array);
        set.hits = decoded(set.hits, Uint32Array);
      }
      return set;
    }

    function counted(set, limit) {
      const number = above(set.thresholds, limit);
      const called = number > 0 ? set.called[number - 1] : 0;
      const hits = number > 0 ? set.hits[number - 1] : 0;
      const missed = set.true - hits;
      const alarms = called - hits;
      return {
        called: called,
        hits: hits,
        missed: missed,
        alarms: alarms,
        recall: ratio(hits, set.true),
        precision: ratio(hits, called),
        f1: ratio(2 * hits, hits + alarms + set.true),
        falseRate: ratio(alarms, set.false),
        cost: missed * cost("missed") + alarms * cost("alarm"),
      };
    }

    function cost(name) {
      const value = Number.parseFloat(costs[name].value);
      return value >= 0 ? value : 0;
    }

    // Places of the slider: thresholds from the lowest to the highest; behind them nothing is called at all.
    function place(set, limit) {
      return set.thresholds.length - above(set.thresholds, limit);
    }

    function thresholdAt(set, where) {
      const count = set.thresholds.length;
      if (where < count) {
        return set.thresholds[count - 1 - where];
      }
      const most = count > 0 ? set.thresholds[0] : 0;
      return most < 1 && most >= 0 ? 1 : most + Math.max(Math.abs(most) * 1e-6, 1e-6);
    }

    // A threshold that the inspector can have: a part is not scrapped for no called pixel at all.
    function allowed(set, limit) {
      const most = set.high === null ? limit : Math.min(limit, set.high);
      return set.low === null ? most : Math.max(most, set.low);
    }

    function places(set) {
      const count = set.thresholds.length;
      const last = thresholdAt(set, count);
      return {
        first: set.low === null ? 0 : place(set, set.low),
        last: allowed(set, last) === last ? count : count - 1,
      };
    }

    // Of equal costs the stored point, else what finds more, as the rules have it: 3 x 0.1 is no more than 0.3.
    function cheapest(set) {
      const [missed, alarm] = [cost("missed"), cost("alarm")];
      let best = { cost: counted(set, set.stored).cost, threshold: set.stored, hits: Infinity };
      function consider(threshold, called, hits) {
        const sum = (set.true - hits) * missed + (called - hits) * alarm;
        const rounding = 1e-9 * best.cost;
        if (sum < best.cost - rounding || (hits > best.hits && sum <= best.cost + rounding)) {
          best = { cost: sum, threshold: threshold, hits: hits };
        }
      }
      const last = thresholdAt(set, set.thresholds.length);
      if (allowed(set, last) === last) {
        consider(last, 0, 0);
      }
      for (let number = 0; number < set.thresholds.length; number += 1) {
        if (allowed(set, set.thresholds[number]) === set.thresholds[number]) {
          consider(set.thresholds[number], set.called[number], set.hits[number]);
        }
      }
      return best;
    }

    function write(name, now, stored, of) {
      by("count-" + name).textContent = now;
      by("count-" + name).parentElement.classList.toggle("long", now.length > 6);
      by("of-" + name).textContent = of === undefined ? "" : " of " + whole(of);
      by("stored-" + name).textContent = now === stored ? "as stored" : "stored: " + stored;
    }

    function lines(at) {
      return {
        missed: whole(at.missed),
        alarms: whole(at.alarms),
        found: whole(at.hits),
        recall: share(at.recall),
        precision: share(at.precision),
        f1: share(at.f1),
        cost: money(at.cost),
      };
    }

    function movePoint(svg, x, y) {
      const point = svg.querySelector(".here");
      const [lowX, highX, lowY, highY, left, right, bottom, top] = svg.dataset.plot.split(" ").map(Number);
      const atX = left + ((Math.min(Math.max(x, lowX), highX) - lowX) / (highX - lowX)) * (right - left);
      if (y === null) {
        point.setAttribute("transform", "translate(" + atX.toFixed(1) + " 0)");
        return;
      }
      if (Number.isNaN(x) || Number.isNaN(y)) {
        point.setAttribute("visibility", "hidden");
        return;
      }
      point.setAttribute("visibility", "visible");
      point.setAttribute("cx", atX.toFixed(1));
      point.setAttribute("cy", (bottom - ((y - lowY) / (highY - lowY)) * (bottom - top)).toFixed(1));
    }

    function movePoints(panel, at) {
      for (const svg of panel.querySelectorAll("svg[data-kind]")) {
        if (svg.dataset.kind === "pr") {
          movePoint(svg, at.recall, at.precision);
        } else if (svg.dataset.kind === "roc") {
          movePoint(svg, at.falseRate, at.recall);
        } else {
          movePoint(svg, threshold, null);
        }
      }
    }

    function speak(text) {
      if (by("spoken").textContent === "") {
        by("spoken").textContent = text; // what the page begins with is no news
        return;
      }
      window.clearTimeout(speaking);
      speaking = window.setTimeout(function () {
        by("spoken").textContent = text;
      }, 300);
    }

    function show(writeNumber) {
      const set = prepared(current);
      const at = counted(set, threshold);
      const now = lines(at);
      const stored = lines(counted(set, set.stored));
      const of = { missed: set.true, found: set.true, alarms: set.countable ? set.false : undefined };
      for (const name of Object.keys(now)) {
        write(name, now[name], stored[name], of[name]);
      }
      range.min = String(places(set).first);
      range.max = String(places(set).last);
      range.value = String(place(set, threshold));
      range.setAttribute("aria-valuetext", String(Number(threshold.toPrecision(4))));
      if (writeNumber) {
        exact.value = String(threshold);
      }
      movePoints(panels[data.sets.indexOf(current)], at);
      const least = cheapest(set);
      by("cheapest").textContent =
        "lowest possible here: " + money(least.cost) + ", at " + Number(least.threshold.toPrecision(4)) +
        (least.threshold === set.stored ? ", the stored point" : "") +
        (set.exact ? "" : ". Of so many scores the slider has evenly spaced ones.");
      speak(
        set.what + ", threshold " + Number(threshold.toPrecision(4)) + ": " + now.missed + " of " + whole(set.true) + " missed, " + at.alarms +
          " false alarms, cost " + now.cost
      );
    }

    function moveTo(limit) {
      threshold = allowed(current, limit);
      show(true);
    }

    // Of thinned thresholds, the counts are those of the next one up: say that one.
    function reachable(limit) {
      const set = prepared(current);
      return set.exact || limit === set.stored ? limit : thresholdAt(set, place(set, limit));
    }

    // The gallery's own filter is set, so that it is seen there and can be undone.
    const filter = by("filter-about");
    const here = () =>
      filter === null ? undefined : Array.from(filter.options).find((each) => each.text === data.names[current.name]);

    function choose() {
      const name = nameBox.selectedIndex;
      const part = partBox.selectedIndex;
      const sameName = data.sets.filter((set) => set.name === name);
      const next = sameName.find((set) => set.part === part) || sameName[0];
      const other = next.name !== current.name;
      current = next;
      partBox.selectedIndex = next.part;
      by("to-gallery").hidden = here() === undefined;
      by("test-warning").hidden = data.parts[next.part] !== "test";
      panels.forEach(function (panel, number) {
        panel.classList.toggle("elsewhere", data.sets[number] !== current);
      });
      // The same threshold on another part; another name has another one.
      if (other) {
        threshold = current.stored;
      }
      show(true);
    }

    range.addEventListener("input", function () {
      moveTo(thresholdAt(prepared(current), Number(range.value)));
    });
    exact.addEventListener("input", function () {
      const value = Number.parseFloat(exact.value);
      if (!Number.isNaN(value)) {
        threshold = allowed(current, reachable(value));
        show(false);
      }
    });
    exact.addEventListener("change", function () {
      show(true);
    });
    exact.addEventListener("keydown", function (event) {
      if (event.key !== "ArrowUp" && event.key !== "ArrowDown") {
        return;
      }
      event.preventDefault();
      const set = prepared(current);
      const where = place(set, threshold);
      const up = event.key === "ArrowUp";
      const next = up && thresholdAt(set, where) > threshold ? where : where + (up ? 1 : -1);
      moveTo(thresholdAt(set, Math.min(Math.max(next, places(set).first), places(set).last)));
    });
    by("to-stored").addEventListener("click", () => moveTo(current.stored));
    by("to-cheapest").addEventListener("click", () => moveTo(cheapest(prepared(current)).threshold));
    for (const box of [costs.missed, costs.alarm]) {
      box.addEventListener("input", () => show(false));
    }
    by("to-gallery").addEventListener("click", function () {
      filter.value = here().value;
      filter.dispatchEvent(new Event("change"));
      by("gallery").scrollIntoView();
      filter.focus();
    });
    nameBox.addEventListener("change", choose);
    partBox.addEventListener("change", choose);
    nameBox.parentElement.hidden = data.names.length < 2;
    choose();
    show(true);
  }

  // ---- gallery -----------------------------------------------------------------------------------------------

  function startGallery() {
    const data = values("gallery-data");
    if (data === null) {
      return;
    }
    const list = by("cards");
    const cards = Array.from(list.children);
    const boxes = {};
    for (const key of ["about", "kind", "part", "target", "verdict"]) {
      boxes[key] = by("filter-" + key);
    }
    const find = by("find");
    const order = by("order");
    const view = by("view");
    let shown = cards.map((_, number) => number);

    const wanted = (key) => (boxes[key] === null ? "" : boxes[key].value);

    function fits(card) {
      const about = wanted("about");
      const kind = wanted("kind");
      const named = card.kinds.some(
        ([name, own]) => (about === "" || String(name) === about) && (kind === "" || own === kind)
      );
      return (
        (named || (about === "" && kind === "")) &&
        (wanted("part") === "" || String(card.part) === wanted("part")) &&
        (wanted("target") === "" || card.target === wanted("target")) &&
        (wanted("verdict") === "" || card.verdict === wanted("verdict")) &&
        card.file.toLowerCase().includes(find.value.trim().toLowerCase())
      );
    }

    const orders = {
      given: (a, b) => a - b,
      wrong: (a, b) => data.cards[b].wrong - data.cards[a].wrong || a - b,
      certain: (a, b) => data.cards[a].certain - data.cards[b].certain || a - b,
      score: (a, b) => (data.cards[b].score || 0) - (data.cards[a].score || 0) || a - b,
      file: (a, b) => data.cards[a].file.localeCompare(data.cards[b].file, "en", { numeric: true }) || a - b,
    };

    function update() {
      shown = cards.map((_, number) => number).sort(orders[order.value]);
      list.append(...shown.map((number) => cards[number]));
      shown = shown.filter((number) => fits(data.cards[number]));
      const visible = new Set(shown);
      cards.forEach(function (card, number) {
        card.hidden = !visible.has(number);
      });
      by("shown").textContent =
        shown.length === 0 ? "none fits; show all, or filter less" : shown.length + " of " + cards.length + " shown";
    }

    for (const box of Object.values(boxes)) {
      if (box !== null) {
        box.addEventListener("change", update);
      }
    }
    find.addEventListener("input", update);
    order.addEventListener("change", update);
    if (view !== null) {
      view.addEventListener("change", function () {
        list.className = "cards " + view.value;
      });
    }
    by("show-all").addEventListener("click", function () {
      for (const box of Object.values(boxes)) {
        if (box !== null) {
          box.value = "";
        }
      }
      find.value = "";
      update();
    });

    // One image large, with all that is said of it.
    const large = by("large");
    let open = 0;

    function enlarge(number) {
      open = number;
      const card = cards[number];
      by("large-file").textContent = data.cards[number].file;
      by("large-badges").replaceChildren(...copies(card, ".badges > *"));
      by("large-pictures").replaceChildren(...copies(card, "img"));
      by("large-facts").replaceChildren(...copies(card, "dl > div"));
      const at = shown.indexOf(number);
      by("large-before").disabled = at <= 0;
      by("large-next").disabled = at < 0 || at >= shown.length - 1;
    }

    const copies = (card, which) => Array.from(card.querySelectorAll(which), (node) => node.cloneNode(true));

    function step(by) {
      const next = shown[shown.indexOf(open) + by];
      if (next !== undefined) {
        enlarge(next);
      }
    }

    cards.forEach(function (card, number) {
      const button = card.querySelector("button.picture");
      if (button !== null) {
        button.addEventListener("click", function () {
          enlarge(number);
          large.showModal();
        });
      }
    });
    by("large-before").addEventListener("click", () => step(-1));
    by("large-next").addEventListener("click", () => step(1));
    by("large-close").addEventListener("click", () => large.close());
    large.addEventListener("keydown", function (event) {
      if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
        step(event.key === "ArrowLeft" ? -1 : 1);
      }
    });
    large.addEventListener("close", function () {
      const button = cards[open].querySelector("button.picture");
      if (button !== null && !cards[open].hidden) {
        button.focus();
      }
    });
  }

  // ---- copying and printing ----------------------------------------------------------------------------------

  function startCopying() {
    for (const button of document.querySelectorAll("button.copy")) {
      const words = button.textContent;
      button.addEventListener("click", function () {
        const source = by(button.dataset.of);
        const say = function (text) {
          button.textContent = text;
          window.setTimeout(() => (button.textContent = words), 2000);
        };
        const byHand = function () {
          window.getSelection().selectAllChildren(source);
          say(document.execCommand("copy") ? "Copied" : "Marked: copy it with the keyboard");
        };
        if (navigator.clipboard) {
          navigator.clipboard.writeText(source.textContent).then(() => say("Copied"), byHand);
        } else {
          byHand();
        }
      });
    }
  }

  function startPrinting() {
    let closed = [];
    window.addEventListener("beforeprint", function () {
      closed = Array.from(document.querySelectorAll("details:not([open])"));
      closed.forEach((each) => (each.open = true));
    });
    window.addEventListener("afterprint", function () {
      closed.forEach((each) => (each.open = false));
    });
  }

  startTheme();
  startSlider();
  startGallery();
  startCopying();
  startPrinting();
})();
