// The live page: asks for news twice a second and shows them. What comes from outside (names of files, classes and
// sources) is written as text (textContent) only; nothing here makes markup of a string.
(function () {
  "use strict";

  const EVERY = 500; // ms between two questions; on a page that nobody sees, HIDDEN
  const HIDDEN = 5000;
  const PATIENCE = 4000; // ms for an answer
  const LOST = 2; // failed questions after which the page says so
  const HELD = 1500; // ms that a defect stays before frames in order cover it

  const by = (id) => document.getElementById(id);
  const write = function (id, text) {
    const node = by(id);
    if (node.textContent !== text) {
      node.textContent = text;
    }
  };

  let news = null; // the last answer
  let heard = 0; // when it came
  let failures = 0;
  let shownId = null;
  let shownRole = null;
  let heldUntil = 0;
  let evidence = true;
  let open = null; // the defect that is shown large
  let spoken = "";

  // ---- words ---------------------------------------------------------------------------------------------------

  const whole = (value) => Math.round(value).toLocaleString("en");
  const milliseconds = function (value) {
    if (value === null) {
      return "–";
    }
    return value < 10 ? value.toFixed(1) : value < 1000 ? whole(value) : (value / 1000).toPrecision(3);
  };
  const unit = (value) => (value === null || value < 1000 ? "ms" : "s");
  const clock = (time) => time.slice(11, 19);
  const day = (time) => time.slice(0, 10) + " " + time.slice(11, 23);

  function span(seconds) {
    const total = Math.max(0, Math.round(seconds));
    if (total < 60) {
      return total + " s";
    }
    const minutes = Math.floor(total / 60);
    if (minutes < 60) {
      return minutes + " min " + (total % 60) + " s";
    }
    const hours = Math.floor(minutes / 60);
    return hours < 48 ? hours + " h " + (minutes % 60) + " min" : Math.floor(hours / 24) + " d " + (hours % 24) + " h";
  }

  const figuresOf = (told) => told.figures.map(([name, value]) => name + " " + value).join(" · ");

  function node(name, text, className) {
    const made = document.createElement(name);
    if (text !== undefined) {
      made.textContent = text;
    }
    if (className) {
      made.className = className;
    }
    return made;
  }

  // Rows of a list are only made anew when they say something else: no flicker, and marked text stays marked.
  function fill(list, rows) {
    const code = JSON.stringify(rows);
    if (list.dataset.code === code) {
      return;
    }
    list.dataset.code = code;
    list.replaceChildren(
      ...rows.map(function ([name, value, className, share]) {
        const row = node("div", undefined, className);
        row.append(node("dt", name), node("dd", value));
        if (share !== undefined) {
          row.style.setProperty("--share", share.toFixed(1) + "%");
        }
        return row;
      })
    );
  }

  // ---- theme ---------------------------------------------------------------------------------------------------

  function startTheme() {
    const button = by("theme");
    const prefersDark = window.matchMedia("(prefers-color-scheme: dark)");
    const key = "inspection-live-theme";
    let chosen = null;
    try {
      chosen = window.localStorage.getItem(key);
    } catch (error) {
      // a browser that keeps nothing: the theme of the system
    }
    function show() {
      if (chosen === null) {
        document.documentElement.removeAttribute("data-theme");
      } else {
        document.documentElement.setAttribute("data-theme", chosen);
      }
      button.setAttribute("aria-pressed", String(chosen === null ? prefersDark.matches : chosen === "dark"));
    }
    button.addEventListener("click", function () {
      chosen = button.getAttribute("aria-pressed") === "true" ? "light" : "dark";
      try {
        window.localStorage.setItem(key, chosen);
      } catch (error) {
        // as above
      }
      show();
    });
    prefersDark.addEventListener("change", show);
    show();
  }

  // ---- what there is to say ------------------------------------------------------------------------------------

  const STATES = {
    opening: ["wait", "opening the source"],
    running: ["live", "running"],
    reconnecting: ["late", "source lost"],
    stopping: ["ended", "stopping"],
    ended: ["ended", "ended"],
  };

  function showConnection() {
    const pill = by("connection");
    const lost = by("lost");
    const old = failures >= LOST && !(news !== null && news.state === "ended");
    let state = ["wait", "connecting"];
    if (old) {
      state = ["lost", "connection lost"];
    } else if (news !== null) {
      state = news.late ? ["late", "no frames"] : STATES[news.state] || ["wait", news.state];
    }
    pill.dataset.state = state[0];
    write("connection-words", state[1]);
    lost.hidden = !old;
    if (old) {
      const since = heard ? " since " + span((Date.now() - heard) / 1000) + ": what stands here is old" : "";
      // Read out once, and not again each second.
      const words = "No answer from the stream" + since + ". Trying again.";
      if (lost.firstChild === null) {
        lost.append(node("span", "Connection lost. ", undefined), node("span", "", undefined));
      }
      lost.lastChild.setAttribute("aria-hidden", "true");
      lost.lastChild.textContent = words;
    } else {
      lost.replaceChildren();
    }
    document.querySelector("main").classList.toggle("old", old || (news !== null && stands()));
  }

  // Whether the newest verdict says nothing of what is under the camera now.
  const stands = () => news.late || news.state === "reconnecting" || news.state === "ended" || news.state === "stopping";

  function showFacts() {
    write("task", news.task);
    write("question", news.question);
    write("origin", [news.source, news.inspector].filter(Boolean).join(" · "));
    by("synthetic").hidden = !news.synthetic;
    by("evidence").hidden = !news.evidence_possible; // an inspector that was exported without
    write("point", "Operating point: " + news.operating_point + ".");
    write("last-title-words", news.alarms_are);
  }

  function showVerdict() {
    const told = news.shown;
    const section = by("verdict");
    let role = told === null ? "wait" : told.role;
    if (told === null) {
      write("verdict-word", news.state === "opening" ? "opening the source" : "no frame yet");
      write("verdict-figures", "");
      write("verdict-when", "");
    } else {
      write("verdict-word", told.label);
      by("verdict-word").classList.toggle("long", told.label.length > 24);
      write("verdict-figures", told.error || figuresOf(told));
      const when = ["frame " + whole(told.frame), clock(told.time), milliseconds(told.latency_ms) + " " + unit(told.latency_ms)];
      if (news.state === "ended" || news.state === "stopping") {
        when.push("the last one");
      } else if (stands()) {
        when.push(span(news.silent) + " ago");
      }
      write("verdict-when", when.join("\n"));
    }
    section.dataset.role = role;
    by("verdict-shape").setAttribute("href", "#shape-" + role);
    document.title = (told === null ? "" : told.label + " · ") + news.task;
    speak(told, role);
  }

  // A screen reader hears of changes of the verdict, not of every frame.
  function speak(told, role) {
    const text = told === null ? "" : told.label;
    if (text !== spoken) {
      spoken = text;
      write("spoken", text === "" ? "" : (role === "defect" ? "Alarm: " : "") + text);
    }
  }

  function showPictureWords() {
    const told = news.shown;
    const none = told === null ? "waiting for the first frame" : told.picture ? "" : "no picture";
    write("picture-none", none);
    by("picture-none").hidden = none === "";
    if (none !== "") {
      by("picture-image").hidden = true;
    }
    let words = told === null ? "" : told.name;
    if (told !== null && evidence && told.picture && told.explained && !told.evidence) {
      words += " · nothing in the picture speaks for it";
    }
    if (told !== null && told.unlike.length) {
      words += " · unlike all validation images: " + told.unlike.join(", ");
    }
    write("picture-words", words);
  }

  function showFigures() {
    const tile = function (id, value, small) {
      const place = by(id);
      if (place.textContent !== value + small) {
        place.replaceChildren(document.createTextNode(value), node("small", small));
      }
    };
    tile("rate", news.rate < 10 ? news.rate.toFixed(1) : whole(news.rate), "");
    tile("latency-median", milliseconds(news.median_ms), news.median_ms === null ? "" : " " + unit(news.median_ms));
    tile("latency-p99", milliseconds(news.p99_ms), news.p99_ms === null ? "" : " " + unit(news.p99_ms));
    tile("waiting", whole(news.waiting), " room " + whole(news.capacity));

    const sum = (counts) => Object.values(counts).reduce((total, count) => total + count, 0);
    const parts = (counts) => Object.entries(counts).filter(([, count]) => count > 0)
      .map(([reason, count]) => [reason, whole(count), "part"]);
    const [dropped, failed] = [sum(news.dropped), sum(news.failed)];
    const rows = [
      ["received", whole(news.received) + (news.total ? " of " + whole(news.total) : "")],
      ["inspected", whole(news.inspected)],
      ["dropped", whole(dropped), dropped ? "bad" : ""],
      ...parts(news.dropped),
      ["failed", whole(failed), failed ? "bad" : ""],
      ...parts(news.failed),
      ["running for", span(news.elapsed)],
    ];
    if (news.reconnects) {
      rows.push(["source opened again", whole(news.reconnects) + " times", "bad"]);
    }
    fill(by("counts"), rows);

    const most = Math.max(1, news.inspected);
    fill(
      by("verdicts"),
      Object.entries(news.verdicts).map(function ([name, count]) {
        const role = news.alarming.includes(name) ? "defect" : news.alarming.length ? "good" : "other";
        const share = Math.min(100, (100 * count) / most);
        // Of objects there may be several on a frame: their number is no share of the frames.
        return news.shares ? [name, whole(count) + " · " + share.toFixed(1) + " %", role, share] : [name, whole(count), role];
      })
    );

    const drift = news.drifted === null ? ["unknown", "not known"] : news.drifted ? ["drift", "▲ drift"] : ["none", "✓ none seen"];
    by("drift").dataset.state = drift[0];
    write("drift-word", drift[1]);
    write("drift-words", news.drift[0] || "");
    by("drift").title = news.drift.join("\n");

    const broken = Object.entries(news.sinks);
    by("sinks").hidden = broken.length === 0;
    write("sinks", broken.map(([name, error]) => name + " can't write: " + error).join("\n"));
  }

  // One mark a frame, newest on the right: told apart by height, too.
  const HEIGHTS = { g: [0.6, 0.4, "good"], o: [0.6, 0.4, "other"], d: [0, 1, "defect"], f: [0.25, 0.3, "failed"] };

  function showTape() {
    const tape = by("tape");
    const width = Math.max(120, tape.clientWidth);
    const step = 6;
    const room = Math.floor(width / step);
    const marks = news.tape.slice(-room);
    tape.setAttribute("viewBox", "0 0 " + room * step + " 40");
    const paths = { good: "", other: "", defect: "", failed: "" };
    Array.from(marks).forEach(function (mark, place) {
      const kind = HEIGHTS[mark];
      if (kind === undefined) {
        return; // dropped: a gap
      }
      const x = (room - marks.length + place) * step + 1;
      paths[kind[2]] += "M" + x + " " + 40 * kind[0] + "h" + (step - 2) + "v" + 40 * kind[1] + "h-" + (step - 2) + "z";
    });
    for (const name of Object.keys(paths)) {
      tape.querySelector("." + name).setAttribute("d", paths[name]);
    }
    const count = (mark) => Array.from(marks).filter((each) => each === mark).length;
    const words = [
      whole(marks.length) + " frames, the newest on the right: " + whole(count("d")) + " " + news.alarms_are.slice(0, count("d") === 1 ? -1 : undefined) + " (tall)",
      count("f") ? whole(count("f")) + " failed (floating)" : "",
      count("-") ? whole(count("-")) + " dropped (gaps)" : "",
    ].filter(Boolean).join(", ");
    write("history-words", marks.length ? words : "");
    tape.setAttribute("aria-label", words);
  }

  // ---- last defects --------------------------------------------------------------------------------------------

  const pictureAt = (id, kind) => "pictures/" + id + "/" + kind + ".jpg";

  function card(told) {
    const item = node("li");
    item.dataset.id = String(told.id);
    const button = node("button");
    button.type = "button";
    const thumb = node("div", undefined, "thumb");
    if (told.picture) {
      const image = node("img");
      image.alt = "";
      image.src = pictureAt(told.id, "small");
      thumb.append(image);
    } else {
      thumb.textContent = "no picture";
    }
    button.append(thumb, node("strong", told.label), node("span", figuresOf(told)), node("span", clock(told.time) + " · " + whole(told.frame)), node("span", "", "more"));
    button.addEventListener("click", function () {
      enlarge(told.id);
      by("large").showModal();
    });
    item.append(button);
    return item;
  }

  function showDefects() {
    const list = by("defects");
    const old = new Map(Array.from(list.children, (item) => [item.dataset.id, item]));
    const items = news.defects.map((told) => old.get(String(told.id)) || card(told));
    items.forEach(function (item, place) {
      const more = news.defects[place].more;
      item.querySelector(".more").textContent = more ? "+ " + whole(more) + " right behind" : "";
    });
    const same = items.length === list.children.length && items.every((item, place) => item === list.children[place]);
    if (!same) {
      const focused = list.contains(document.activeElement) ? document.activeElement : null;
      list.replaceChildren(...items);
      if (focused !== null && list.contains(focused)) {
        focused.focus();
      }
    }
    const words = news.alarms
      ? whole(news.alarms) + " since the start" + (items.length ? ", the newest first" : "")
      : news.alarming.length
        ? "none so far"
        : "this inspector knows no defect: it only tells classes apart";
    write("last-words", words);
    if (by("large").open) {
      neighbours();
    }
  }

  const placeOf = (id) => news.defects.findIndex((told) => told.id === id);

  function enlarge(id) {
    const told = news.defects[placeOf(id)];
    if (told === undefined) {
      return;
    }
    open = told;
    write("large-title", told.label);
    showLarge();
    fill(by("large-facts"), [
      ...told.figures,
      ["frame", whole(told.frame)],
      ["time", day(told.time)],
      ["name", told.name],
      ["latency", milliseconds(told.latency_ms) + " " + unit(told.latency_ms)],
      ...(told.unlike.length ? [["unlike all validation images", told.unlike.join(", ")]] : []),
      ...(told.evidence || !news.heatmaps ? [] : [["evidence", told.explained ? "none" : "not computed: some a second are, while somebody looks"]]),
    ]);
    neighbours();
  }

  function showLarge() {
    const image = by("large-image");
    image.src = pictureAt(open.id, evidence && open.evidence ? "evidence" : "plain");
    image.alt = open.label + ", frame " + open.frame;
    by("large-evidence").disabled = !open.evidence;
  }

  function neighbours() {
    const place = placeOf(open.id);
    by("large-newer").disabled = place <= 0;
    by("large-older").disabled = place < 0 || place >= news.defects.length - 1;
  }

  function startLarge() {
    const step = function (by) {
      const next = news.defects[placeOf(open.id) + by];
      if (placeOf(open.id) >= 0 && next !== undefined) {
        enlarge(next.id);
      }
    };
    const large = by("large");
    by("large-newer").addEventListener("click", () => step(-1));
    by("large-older").addEventListener("click", () => step(1));
    by("large-close").addEventListener("click", () => large.close());
    large.addEventListener("keydown", function (event) {
      if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
        step(event.key === "ArrowLeft" ? -1 : 1);
      }
    });
    for (const id of ["evidence", "large-evidence"]) {
      by(id).addEventListener("click", function () {
        evidence = !evidence;
        showEvidence();
      });
    }
  }

  function showEvidence() {
    for (const id of ["evidence", "large-evidence"]) {
      by(id).setAttribute("aria-pressed", String(evidence));
    }
    if (open !== null) {
      showLarge();
    }
    if (news !== null && news.shown !== null && news.shown.picture) {
      const image = by("picture-image");
      image.src = pictureAt(news.shown.id, evidence ? "evidence" : "plain");
    }
  }

  // ---- asking --------------------------------------------------------------------------------------------------

  // Loaded before anything is shown, so that picture and verdict change together.
  function loaded(address) {
    return new Promise(function (done) {
      const image = new Image();
      const late = window.setTimeout(() => done(null), PATIENCE);
      const end = (result) => function () {
        window.clearTimeout(late);
        done(result);
      };
      image.addEventListener("load", end(image));
      image.addEventListener("error", end(null));
      image.src = address;
    });
  }

  async function ask() {
    const stop = new AbortController();
    const late = window.setTimeout(() => stop.abort(), PATIENCE);
    try {
      const wanted = evidence && !document.hidden ? "?evidence=1" : "";
      const answer = await fetch("state.json" + wanted, { cache: "no-store", signal: stop.signal });
      if (!answer.ok) {
        throw new Error(String(answer.status));
      }
      return await answer.json();
    } finally {
      window.clearTimeout(late);
    }
  }

  function forget() {
    by("defects").replaceChildren();
    by("picture-image").hidden = true;
    if (by("large").open) {
      by("large").close();
    }
    open = null;
    shownId = null;
    shownRole = null;
  }

  async function show(next) {
    if (news !== null && news.session !== next.session) {
      forget(); // another stream
    }
    const told = next.shown;
    if (news !== null && news.shown !== null && told !== null && told.id !== shownId) {
      const covered = shownRole === "defect" && told.role !== "defect" && Date.now() < heldUntil;
      if (covered && next.state === "running") {
        next.shown = news.shown; // a defect is not gone before anybody has seen it
      }
    }
    if (next.shown !== null && next.shown.id !== shownId) {
      let image = null;
      if (next.shown.picture && !document.hidden) {
        image = await loaded(pictureAt(next.shown.id, evidence ? "evidence" : "plain"));
      }
      if (image !== null) {
        image.id = "picture-image";
        image.alt = next.shown.label + ", frame " + next.shown.frame;
        by("picture-image").replaceWith(image);
      } else {
        by("picture-image").hidden = true;
        next.shown.picture = false;
      }
      if (next.shown.role === "defect") {
        heldUntil = Date.now() + HELD;
      }
      shownId = document.hidden ? null : next.shown.id;
      shownRole = next.shown.role;
    }
    news = next;
    showFacts();
    showVerdict();
    showPictureWords();
    showFigures();
    showTape();
    showDefects();
  }

  async function turn() {
    let next = null;
    try {
      next = await ask();
    } catch (error) {
      failures += 1;
    }
    try {
      if (next !== null) {
        failures = 0;
        heard = Date.now();
        await show(next);
      }
      showConnection();
    } finally {
      const over = news !== null && news.state === "ended";
      window.setTimeout(turn, document.hidden || over ? HIDDEN : EVERY);
    }
  }

  document.addEventListener("visibilitychange", function () {
    if (!document.hidden) {
      shownId = null;
    }
  });
  startTheme();
  startLarge();
  turn();
})();
