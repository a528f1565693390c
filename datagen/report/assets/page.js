"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;
  const STEP = 24;
  const FLIPS_EVERY = 700;

  const colour = (name) => getComputedStyle(root).getPropertyValue(`--${name}`).trim();
  const number = (value) => value.toLocaleString("en");
  const short = (value) => {
    const size = Math.abs(value);
    return size !== 0 && (size < 1e-3 || size >= 1e6) ? value.toExponential(2) : String(Number(value.toPrecision(4)));
  };
  // The chart library reads a little markup in its labels.
  const plain = (text) => text.replace(/[&<>]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[sign]);

  function make(name, options = {}, ...children) {
    const { text, dataset, on, ...attributes } = options;
    const element = document.createElement(name);
    if (text !== undefined) element.textContent = text;
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    Object.assign(element.dataset, dataset);
    for (const [event, act] of Object.entries(on ?? {})) element.addEventListener(event, act);
    element.append(...children.filter((child) => child !== null));
    return element;
  }

  function shape(name, attributes) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  }

  // Charts

  const charts = [];
  const settings = { displayModeBar: false, responsive: true };

  function chart(place, figure) {
    const draw = () => {
      const { traces, layout } = figure();
      Plotly.react(place, traces, { ...common(), ...layout }, settings);
    };
    charts.push(draw);
    draw();
    return draw;
  }

  const common = () => ({
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: "system-ui, sans-serif", size: 12, color: colour("ink") },
    margin: { l: 10, r: 10, t: 10, b: 10 },
    hoverlabel: { bgcolor: colour("card"), bordercolor: colour("line"), font: { color: colour("ink") } },
  });

  const faded = (name, share) => `color-mix(in srgb, ${colour(name)} ${share}%, ${colour("card")})`;
  function mixed(name, share) {
    const probe = make("i", { style: `color:${faded(name, share)}` });
    document.body.append(probe);
    const [r, g, b] = getComputedStyle(probe).color.match(/[\d.]+/g).map(Number);
    const scale = getComputedStyle(probe).color.startsWith("color(") ? 255 : 1;
    probe.remove();
    return `rgb(${Math.round(r * scale)},${Math.round(g * scale)},${Math.round(b * scale)})`;
  }

  function drawFlow() {
    const { nodes, links } = data.flow;
    const arriving = nodes.map((_, place) => links.filter((l) => l[1] === place).reduce((sum, l) => sum + l[2], 0));
    const total = links.filter((l) => nodes[l[0]].kind === "source").reduce((sum, l) => sum + l[2], 0);
    const ends = nodes.filter((node) => node.kind !== "stage" && node.kind !== "source").length;
    const place = document.getElementById("flow");
    if (!links.length) {
      place.replaceWith(make("p", { class: "empty", text: "There were no records." }));
      return;
    }
    const label = (node, at) =>
      node.kind === "source"
        ? `${number(data.totals.sources)} sources → ${number(total)} records`
        : node.kind === "stage"
          ? plain(node.label)
          : `${plain(node.kind === "rejected" ? node.label.slice(node.label.indexOf("/") + 1) : node.kind)} · ${number(arriving[at])}`;
    chart(place, () => ({
      traces: [
        {
          type: "sankey",
          arrangement: "fixed",
          node: {
            label: nodes.map(label),
            color: nodes.map((node) => colour(node.kind === "source" ? "stage" : node.kind)),
            customdata: nodes.map((node) => plain(node.label)),
            hovertemplate: "%{customdata}<br>%{value:,} records<extra></extra>",
            pad: 16,
            thickness: 12,
            align: "left",
            line: { width: 0 },
          },
          link: {
            source: links.map((l) => l[0]),
            target: links.map((l) => l[1]),
            value: links.map((l) => l[2]),
            color: links.map((l) => mixed(nodes[l[1]].kind === "stage" ? "stage" : nodes[l[1]].kind, 38)),
            customdata: links.map((l) => `${((100 * l[2]) / total).toPrecision(3)} % of all`),
            hovertemplate: "%{source.customdata} → %{target.customdata}<br>%{value:,} records, %{customdata}<extra></extra>",
          },
        },
      ],
      layout: { height: Math.max(340, 90 + 34 * ends), margin: { l: 6, r: 6, t: 12, b: 12 } },
    }));
    place.on("plotly_click", (event) => {
      const point = event.points[0];
      const node = nodes[point.target?.pointNumber ?? point.pointNumber];
      if (node?.kind === "rejected") {
        galleries.rejected.choose(node.label);
        document.getElementById("rejected").scrollIntoView();
      }
    });
  }

  function drawClock() {
    const place = document.getElementById("clock");
    const stages = data.stages.filter((stage) => stage.seconds > 0).reverse();
    if (!stages.length) {
      place.replaceWith(make("p", { class: "empty", text: "No time was noted." }));
      return;
    }
    chart(place, () => ({
      traces: [
        {
          type: "bar",
          orientation: "h",
          y: stages.map((stage) => plain(stage.id)),
          x: stages.map((stage) => stage.seconds),
          marker: { color: colour("stage") },
          hovertemplate: "%{y}: %{x:,.3s} s<extra></extra>",
        },
      ],
      layout: {
        height: 70 + 24 * stages.length,
        bargap: 0.35,
        margin: { l: 10, r: 20, t: 6, b: 40 },
        xaxis: { title: { text: "seconds" }, gridcolor: colour("line"), zeroline: false, fixedrange: true },
        yaxis: { automargin: true, fixedrange: true },
      },
    }));
  }

  // Scores

  function drawSpread(score) {
    const at = score.moves.map((move) => move.places.indexOf(move.value));
    const about = score.share < 1 ? "≈ " : "";
    const scaled = (count) => Math.round(count / score.share);
    const place = make("div", { class: "chart" });
    const unit = score.unit ? ` (${score.unit})` : "";
    const seen = score.share < 1 ? `${number(Math.round(score.met * score.share))} of ${number(score.met)}` : number(score.met);
    const missing = score.unmeasured ? `, ${number(score.unmeasured)} of them without it` : "";
    const box = make(
      "article",
      { class: "spread" },
      make("h3", { text: score.score }, make("span", { text: ` · ${score.stage}` })),
      make("p", { text: `${score.doc}${unit}` }),
      place,
      make("p", { text: `${seen} records${missing}` }),
    );
    document.getElementById("spreads").append(box);
    const centres = score.kept.map((_, bar) => (score.edges[bar] + score.edges[bar + 1]) / 2);
    const spans = score.kept.map((_, bar) => `${short(score.edges[bar])} to ${short(score.edges[bar + 1])}`);
    const highest = Math.max(...score.kept.map((count, bar) => scaled(count + score.rejected[bar])));
    const width = score.edges[1] - score.edges[0];
    const bars = (name, counts, shade) => ({
      type: "bar",
      name,
      x: centres,
      y: counts.map(scaled),
      width,
      customdata: spans,
      marker: { color: colour(shade), line: { width: 0 } },
      hovertemplate: `%{customdata}<br>${name}: ${about}%{y:,}<extra></extra>`,
    });
    const redraw = chart(place, () => ({
      traces: [bars("kept by this stage", score.kept, "accepted"), bars("rejected by it", score.rejected, "rejected")],
      layout: {
        barmode: "stack",
        bargap: 0.04,
        height: 170,
        showlegend: false,
        margin: { l: 34, r: 8, t: 14, b: 26 },
        xaxis: { range: [score.edges[0], score.edges.at(-1)], gridcolor: colour("line"), zeroline: false, fixedrange: true, nticks: 6 },
        yaxis: { gridcolor: colour("line"), zeroline: false, fixedrange: true, nticks: 4, ...(highest <= 4 ? { dtick: 1 } : {}) },
        shapes: score.moves.flatMap((move, which) => marks(move, at[which])),
      },
    }));
    score.moves.forEach((move, which) => box.append(mover(score, move, at, which, redraw, about, scaled)));
  }

  function marks(move, at) {
    const line = (value, dash) => ({
      type: "line", xref: "x", yref: "paper", x0: value, x1: value, y0: 0, y1: 1.06,
      line: { color: colour(dash === "solid" ? "ink" : "mark"), width: dash === "solid" ? 1.5 : 2, dash },
    });
    const moved = move.places[at] !== move.value;
    return [line(move.value, "solid"), ...(moved ? [line(move.places[at], "dot")] : [])];
  }

  function mover(score, move, at, which, redraw, about, scaled) {
    const own = move.places.indexOf(move.value);
    const told = make("output", { "aria-live": "polite" });
    const slider = make("input", {
      type: "range", min: 0, max: move.places.length - 1, value: own, "aria-label": `Move ${move.option} of ${score.stage}`,
      on: {
        input: () => {
          at[which] = Number(slider.value);
          tell();
          redraw();
        },
      },
    });
    const back = make("button", {
      type: "button", text: "reset",
      on: {
        click: () => {
          slider.value = own;
          slider.dispatchEvent(new Event("input"));
        },
      },
    });
    const tell = () => {
      const here = at[which];
      const more = scaled(move.kept[here]) - scaled(move.kept[own]);
      const samples = scaled(move.samples[own]) - scaled(move.samples[here]);
      slider.setAttribute("aria-valuetext", short(move.places[here]));
      back.hidden = here === own;
      if (here === own) {
        told.replaceChildren(
          `keeps ${move.keeps === "least" ? "at least" : "at most"} ${short(move.value)}: ${about}${number(scaled(move.kept[own]))} records pass this stage`,
        );
        return;
      }
      const change =
        more >= 0
          ? make("span", { class: "gains", text: `${about}${number(more)} gained` })
          : make("span", { class: "loses", text: `${about}${number(-more)} lost` });
      const rest = more < 0 ? `, and ${about}${number(samples)} of the samples with them` : more > 0 ? ", which later stages have not seen" : "";
      told.replaceChildren(`at ${short(move.places[here])}: `, change, `${rest}. `, make("code", { text: `--set ${score.stage}.${move.option}=${short(move.places[here])}` }));
    };
    tell();
    return make("div", { class: "move" }, make("label", {}, make("code", { text: move.option }), slider, back), told);
  }

  // Galleries

  class Gallery {
    constructor(place, records) {
      this.place = place;
      this.records = records;
      this.shown = STEP;
      this.cards = make("div", { class: "cards" });
      this.count = make("span", { class: "count", role: "status" });
      this.more = make("button", { type: "button", class: "more", on: { click: () => this.grow() } });
      Object.assign(place.dataset, { way: "slider", outline: "on", box: "on" });
      if (!records.length) {
        place.append(make("p", { class: "empty", text: "There are none." }));
        return;
      }
      place.append(this.filters(), this.cards, this.more);
      this.update();
    }

    filters() {
      const kinds = (values) => [...new Set(values.filter(Boolean))];
      this.task = this.select("task", kinds(this.records.map((record) => record.task)));
      const ended = this.place.dataset.of === "rejected";
      const order = data.stages.map((stage) => stage.id);
      const stages = kinds(ended ? this.records.map((record) => record.stage) : this.records.flatMap((record) => record.path));
      stages.sort((one, other) => order.indexOf(one) - order.indexOf(other));
      this.stage = this.select(ended ? "rejected by" : "went through", stages);
      this.reason = ended ? this.select("for", kinds(this.records.map((record) => `${record.stage}/${record.reason}`))) : null;
      this.score = this.select("score", kinds(this.records.flatMap((record) => Object.keys(record.scores))), "any");
      const bound = (name) =>
        make("input", { type: "number", step: "any", placeholder: name, "aria-label": `${name} of the score`, on: { input: () => this.restart() } });
      this.least = bound("least");
      this.most = bound("most");
      this.search = make("input", { type: "search", placeholder: "words, id, file", "aria-label": "Search", on: { input: () => this.restart() } });
      return make(
        "div",
        { class: "filters", role: "group", "aria-label": "Filters" },
        ...[this.task, this.stage, this.reason, this.score].map((each) => each && each.label),
        this.least,
        this.most,
        this.search,
        this.toggle("outline", "outline"),
        this.toggle("box", "box"),
        this.flicker(),
        this.count,
      );
    }

    select(name, values, all = "all") {
      const field = make("select", { on: { change: () => this.restart() } }, make("option", { value: "", text: all }));
      for (const value of values) field.append(make("option", { value, text: value }));
      return { field, label: make("label", {}, name, field) };
    }

    toggle(name, key) {
      const button = make("button", {
        type: "button", text: name, "aria-pressed": "true",
        on: {
          click: () => {
            const on = this.place.dataset[key] !== "on";
            this.place.dataset[key] = on ? "on" : "off";
            button.setAttribute("aria-pressed", String(on));
          },
        },
      });
      return button;
    }

    flicker() {
      let timer = 0;
      const button = make("button", {
        type: "button", text: "flicker", "aria-pressed": "false",
        on: {
          click: () => {
            const on = this.place.dataset.way !== "flicker";
            this.place.dataset.way = on ? "flicker" : "slider";
            button.setAttribute("aria-pressed", String(on));
            clearInterval(timer);
            if (on) timer = setInterval(() => this.place.classList.toggle("is-flipped"), FLIPS_EVERY);
          },
        },
      });
      return button;
    }

    choose(reason) {
      if (!this.reason) return;
      for (const each of [this.task, this.stage, this.score]) each.field.value = "";
      this.reason.field.value = reason;
      for (const field of [this.least, this.most, this.search]) field.value = "";
      this.restart();
    }

    restart() {
      this.shown = STEP;
      this.update();
    }

    grow() {
      this.shown += STEP;
      this.update();
    }

    fits(record) {
      const score = this.score.field.value;
      const words = this.search.value.trim().toLowerCase();
      const ended = this.reason !== null;
      const stage = this.stage.field.value;
      const within = (value) =>
        value !== undefined &&
        (this.least.value === "" || value >= Number(this.least.value)) &&
        (this.most.value === "" || value <= Number(this.most.value));
      return (
        (!this.task.field.value || record.task === this.task.field.value) &&
        (!stage || (ended ? record.stage === stage : record.path.includes(stage))) &&
        (!ended || !this.reason.field.value || `${record.stage}/${record.reason}` === this.reason.field.value) &&
        (!score || within(record.scores[score])) &&
        (!words || [record.id, record.name, record.instruction, record.subject, record.source, record.detail, ...record.strip.flatMap(Object.values).map(String)].some((text) => text.toLowerCase().includes(words)))
      );
    }

    update() {
      const score = this.score.field.value;
      this.least.disabled = this.most.disabled = !score;
      const found = this.records.filter((record) => this.fits(record));
      if (score) found.sort((one, other) => one.scores[score] - other.scores[score]);
      this.cards.replaceChildren(...found.slice(0, this.shown).map((record) => card(record, score)));
      this.count.textContent = `${number(found.length)} of ${number(this.records.length)} shown here`;
      this.more.hidden = found.length <= this.shown;
      this.more.textContent = `Show ${number(Math.min(STEP, found.length - this.shown))} more`;
    }
  }

  function card(record, score) {
    const named = new Map(record.pictures.map((picture) => [picture.name, picture]));
    const after = named.get("target") ?? named.get("original");
    const before = named.get("source");
    const main = after ?? before ?? record.pictures[0];
    const inFilm = [record.before, ...[...record.film, ...record.strip].map((each) => each.picture)].map((name) => named.get(name));
    const others = record.pictures.filter((picture) => ![after, before, main, ...inFilm].includes(picture));
    return make(
      "article",
      { class: record.film.length || record.strip.length || record.graph ? "card session" : "card", dataset: { id: record.id } },
      view(record, main, main === after ? before : undefined),
      make(
        "div",
        { class: "told" },
        record.status === "accepted" ? null : make("div", { class: "why" }, make("b", { text: `${record.stage}/${record.reason}` }), record.detail ? `: ${record.detail}` : ""),
        instruction(record, named),
        others.length ? make("div", { class: "others" }, ...others.map((picture) => make("figure", {}, image(picture), make("figcaption", { text: picture.name })))) : null,
        score ? make("div", { text: `${score} ${short(record.scores[score])}` }) : null,
        record.graph ? sceneGraph(record) : null,
        record.fault || record.checks.length ? checks(record) : null,
        ...(main ? record.notes : []).map((note) => make("div", { class: "why", text: note })),
        details(record),
      ),
      record.film.length ? film(record, named) : null,
      record.strip.length ? strip(record, named) : null,
    );
  }

  // A plan, or what was judged of one: a frame a picture, with its words and where it is wrong

  function strip(record, named) {
    const described = record.strip.some((frame) => frame.description);
    return make("ol", { class: "film plan", "aria-label": `Steps of ${record.name}` }, ...record.strip.map((each) => stripFrame(record, each, named, described)));
  }

  function stripFrame(record, each, named, described) {
    const isStep = each.title.startsWith("step");
    return make(
      "li",
      { class: each.wrong ? "conflicts" : "" },
      each.picture ? frame(record, named.get(each.picture), each.title, each.fault && named.has(each.picture) ? [{ box: each.fault, fails: true }] : []) : null,
      make(
        "p",
        { class: "soft" },
        make("b", { text: each.title }),
        each.verdict ? make("span", { class: each.wrong ? "verdict wrong" : "verdict", text: each.verdict }) : null,
        each.fault ? make("span", { class: "verdict wrong", text: record.fault || "fault" }) : null,
      ),
      each.instruction ? make("p", { class: "said", text: each.instruction }) : null,
      each.description ? make("p", { class: "soft", text: each.description }) : isStep && described ? make("p", { class: "empty", text: "no description" }) : null,
      each.critique ? make("p", { class: "why" }, make("b", { text: "critique" }), ` ${each.critique}`) : null,
      each.correction ? make("p", { class: "mends" }, make("b", { text: "correction" }), ` ${each.correction}`) : null,
    );
  }

  function sceneGraph(record) {
    const { width, height, nodes, edges, notes, lines } = record.graph;
    const place = make("figure", { class: "scene" });
    if (width) {
      const layer = shape("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": lines.join("; ") });
      for (const each of edges) layer.append(...sceneEdge(each));
      for (const each of nodes) layer.append(sceneNode(each));
      for (const each of edges) layer.append(words(each.x, each.y, each.label, each.fails ? "label fails" : "label"));
      place.append(layer);
    }
    for (const line of width ? notes : lines) place.append(make("figcaption", { text: line }));
    return place;
  }

  function words(x, y, text, kind) {
    const element = shape("text", { x, y, class: kind });
    element.textContent = text;
    return element;
  }

  function titled(element, text) {
    const title = shape("title", {});
    title.textContent = text;
    element.append(title);
    return element;
  }

  function sceneNode(each) {
    const group = titled(shape("g", { class: each.fails ? "node fails" : "node" }), each.name);
    group.append(shape("rect", { x: each.x, y: each.y, width: each.width, height: each.height, rx: 7 }));
    const middle = each.x + each.width / 2;
    const top = each.y + (each.detail ? 16 : each.height / 2);
    group.append(words(each.colour ? middle + 8 : middle, top, each.title, "title"));
    if (each.colour) group.append(shape("circle", { cx: each.x + 14, cy: top, r: 5, fill: each.colour }));
    if (each.detail) group.append(words(middle, each.y + 33, each.detail, "about"));
    return group;
  }

  function sceneEdge(each) {
    const line = titled(shape("path", { d: each.path, class: each.fails ? "fails" : "" }), each.name);
    return [line, shape("path", { d: each.arrow, class: each.fails ? "head fails" : "head" })];
  }

  function checks(record) {
    const held = record.checks.filter((each) => each.holds).length;
    return make(
      "div",
      { class: "checks" },
      record.fault ? make("p", { class: "why" }, make("b", { text: "fault" }), ` ${record.fault}`) : null,
      record.checks.length ? make("p", { text: `${held} of ${record.checks.length} checks hold` }) : null,
      ...record.checks.filter((each) => !each.holds).map((each) => make("p", { class: "why" }, make("b", { text: "✗" }), ` ${each.line}`)),
    );
  }

  // A session: the picture before its first turn, then one after each, with what was asked and where

  function film(record, named) {
    const first = make("li", {}, frame(record, named.get(record.before), "before", []), make("p", { class: "soft", text: "before" }));
    return make("ol", { class: "film", "aria-label": `Turns of ${record.name}` }, first, ...record.film.map((turn) => filmTurn(record, turn, named)));
  }

  function filmTurn(record, turn, named) {
    const rejected = turn.candidates.filter((each) => !each.chosen);
    const chosen = turn.candidates.find((each) => each.chosen);
    const rated = (each) => (each.score === null ? "unscored" : short(each.score));
    const some = rejected.slice(0, 4).map(rated).join(", ") + (rejected.length + turn.more > 4 ? ", …" : "");
    return make(
      "li",
      { class: turn.conflicts.length ? "conflicts" : "" },
      frame(record, named.get(turn.picture), `after turn ${turn.turn}`, turn.box ? [...rejected, { box: turn.box, chosen: true }] : rejected),
      make("p", { class: "soft" }, make("b", { text: `turn ${turn.turn}` }), turn.op ? ` ${turn.op}` : "", turn.object ? `: ${turn.object}` : ""),
      make("p", { class: "said", text: turn.instruction }),
      chosen ? make("p", { class: "soft" }, make("i", { class: "key chosen" }), `chosen, ${rated(chosen)}`) : null,
      rejected.length ? make("p", { class: "soft" }, make("i", { class: "key" }), `not chosen: ${some}`) : null,
      ...turn.conflicts.map((each) =>
        make("p", { class: "why" }, make("b", { text: each.kind }), each.first ? ` with turn ${each.first}` : "", each.reason ? `: ${each.reason}` : ""),
      ),
    );
  }

  function frame(record, picture, name, boxes) {
    const [width, height] = record.size[0] ? record.size : [4, 3];
    const box = make("div", { class: "view", style: `aspect-ratio:${width}/${height}` });
    if (picture) box.append(image(picture));
    else box.append(make("span", { class: "none", text: "its picture was not kept" }));
    if (record.size[0]) {
      const layer = shape("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": `${name}: boxes` });
      for (const each of boxes) layer.append(rectangle(each.box, each.fails ? "fails" : each.chosen ? "" : "rejected"));
      box.append(layer);
    }
    return box;
  }

  const rectangle = (box, kind) =>
    shape("rect", { x: box[0], y: box[1], width: Math.max(box[2] - box[0], 0), height: Math.max(box[3] - box[1], 0), class: kind });

  const image = (picture) =>
    make("img", { src: `data:image/webp;base64,${picture.data}`, alt: picture.name, width: picture.width, height: picture.height, decoding: "async", draggable: "false" });

  function view(record, main, before) {
    if (!main) return make("div", { class: "view none", text: record.notes.join("; ") || "no picture" });
    const box = make("div", { class: "view", style: `aspect-ratio:${main.width}/${main.height}` }, image(main));
    if (before) {
      const over = image(before);
      over.classList.add("over");
      const slider = make("input", {
        type: "range", min: 0, max: 100, value: 50, "aria-label": `From target to source: ${record.name}`,
        on: { input: () => box.style.setProperty("--at", `${slider.value}%`) },
      });
      box.append(over, drawn(record), make("i", { class: "seam" }), make("span", { class: "tag left", text: "source" }), make("span", { class: "tag right", text: main.name }), slider);
    } else {
      box.append(drawn(record), make("span", { class: "tag right", text: main.name }));
    }
    return box;
  }

  function drawn(record) {
    const [width, height] = record.size;
    const layer = shape("svg", { viewBox: `0 0 ${width || 1} ${height || 1}`, preserveAspectRatio: "none", "aria-hidden": "true" });
    Object.entries(record.outlines).forEach(([name, path], place) => {
      if (path) layer.append(shape("path", { d: path, class: place ? "minor" : "major", "data-mask": name }));
    });
    for (const { box } of record.boxes) layer.append(rectangle(box, ""));
    for (const each of record.strip) {
      const shown = (each.picture === "source" || each.picture === "target") && record.pictures.some((picture) => picture.name === each.picture);
      if (each.fault && shown) layer.append(titled(rectangle(each.fault, "fails"), record.fault || "fault"));
    }
    return layer;
  }

  function instruction(record, named) {
    const text = record.instruction || record.subject;
    if (!text) return null;
    const place = make("div", { class: "instruction" });
    text.split("<imagehere>").forEach((part, index) => {
      if (index) {
        const name = record.inputs[index - 1];
        const picture = named.get(name);
        place.append(picture && name !== "source" ? image(picture) : make("span", { class: "chip", text: name ?? "picture" }));
      }
      place.append(part);
    });
    return place;
  }

  function details(record) {
    const rows = Object.entries(record.scores).map(([name, value]) => make("tr", {}, make("td", { text: name }), make("td", { class: "n", text: short(value) })));
    const line = (name, value) => (value ? make("tr", {}, make("td", { text: name }), make("td", { text: value })) : null);
    return make(
      "details",
      {},
      make("summary", { text: record.name }),
      make("table", {}, make("tbody", {}, line("task", record.task), line("subject", record.subject), line("licence", record.license), line("source", record.source), ...rows)),
      make("code", { class: "command", text: record.show }),
    );
  }

  // Light and dark

  const dark = matchMedia("(prefers-color-scheme: dark)");
  function paint(theme) {
    root.dataset.theme = theme;
    charts.forEach((draw) => draw());
  }
  paint(dark.matches ? "dark" : "light");
  dark.addEventListener("change", () => paint(dark.matches ? "dark" : "light"));
  document.getElementById("theme").addEventListener("click", () => paint(root.dataset.theme === "dark" ? "light" : "dark"));

  const galleries = Object.fromEntries(
    [...document.querySelectorAll(".gallery")].map((place) => [place.dataset.of, new Gallery(place, data[place.dataset.of])]),
  );
  drawFlow();
  data.scores.forEach(drawSpread);
  drawClock();
})();
