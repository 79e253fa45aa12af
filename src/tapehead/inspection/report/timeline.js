// Fields over time, one under another on the same steps, with a cursor that runs through all; and
// beside them what the memory held at the cursor's step.

/** Where the row of a number is drawn, and the reverse: keys of a piano go up, all others down. */
const placed = (row, rows, axis) => (axis === "key" ? rows - 1 - row : row);

/** Labels beside rows: their names, or the axis's name and a few numbers from 1. */
function rowLabels(rows, axis, names) {
  const label = (row, name) =>
    h("span", { style: `top:${((placed(row, rows, axis) + 0.5) / rows) * 100}%` }, name);
  if (names) return h("div", { class: "ylabels" }, names.map((name, row) => label(row, name)));
  const numbers = ticks(1, rows, Math.min(4, rows)).filter(Number.isInteger);
  return h("div", { class: "ylabels", "aria-hidden": "true" }, h("span", { class: "axisname", "data-name": axis }, axis),
    numbers.map((number) => label(number - 1, String(number))));
}

/** A heat map of packed columns × rows, its row labels and its marks of wrong cells. */
class HeatMap {
  constructor(panel, packed, { height, order, label }) {
    [this.columns, this.rows] = packed.shape;
    Object.assign(this, { panel, packed, order });
    this.canvas = h("canvas", { role: "img", "aria-label": label });
    this.field = h("div", { class: "field", style: `height:${height}px` }, this.canvas);
    if (this.rows <= 16 && this.columns <= 64) {
      this.field.append(h("div", { class: "cells", style: `--columns:${this.columns};--rows:${this.rows}` }));
    }
    if (panel.wrong?.length) this.field.append(this.marks(panel.wrong));
    theme.drawn(() => this.draw());
  }

  /** Crosses over wrong cells, boxed where there is room. */
  marks(wrong) {
    const roomy = this.columns <= 64;
    const mark = roomy ? "h1v1h-1zl1 1m-1 0l1 -1" : "m.1 .1l.8 .8m-.8 0l.8 -.8";
    const d = wrong.map(([column, row]) => `M${column} ${row}${mark}`).join("");
    const box = { viewBox: `0 0 ${this.columns} ${this.rows}`, preserveAspectRatio: "none" };
    return s("svg", box, s("path", { class: "halo", d }), s("path", { d }));
  }

  /** The row of the data that is shown in this row of the picture. */
  source(row) {
    if (this.panel.slots && this.order.rows) return this.order.rows[row];
    return placed(row, this.rows, this.panel.rows);
  }

  draw() {
    const { bytes } = this.packed;
    paint(this.canvas, this.columns, this.rows, (column, row) => bytes[column * this.rows + this.source(row)], this.panel.map);
  }

  /** Column, row and value under a pointer. */
  under(event) {
    const box = this.canvas.getBoundingClientRect();
    const cell = (share, count) => Math.min(count - 1, Math.max(0, Math.floor(share * count)));
    const column = cell((event.clientX - box.left) / box.width, this.columns);
    const row = this.source(cell((event.clientY - box.top) / box.height, this.rows));
    return { column, row, value: this.packed.value(column * this.rows + row) };
  }
}

/** Height in pixels that gives every row a visible share. */
function heightOf(rows) {
  return rows <= 16 ? Math.max(13 * rows, 16) : Math.min(4 * rows + 80, 280);
}

/** Which slot each head stands on: `slot 3 (0.97)`, or that it is spread out, or nowhere. */
function whereabouts({ weights, sums }, step) {
  const [heads, slots] = weights.shape.slice(1);
  return Array.from({ length: heads }, (_, head) => {
    const place = weights.at(step).at(head);
    const values = Array.from({ length: slots }, (_, slot) => place.value(slot));
    const most = Math.max(...values);
    if (most >= 0.5) return `slot ${values.indexOf(most) + 1} (${most.toFixed(2)})`;
    return sums.at(step).value(head) < 0.2 ? "nowhere" : "several slots";
  }).join(", ");
}

/**
 * A sequence: `{title, steps, scored, groups: [{title, panels}]}`, and for a player also `frames`,
 * `slotOrder`, `start` and `heads`. Each panel holds packed (time, rows); each frame packed (time,
 * columns, rows) of every so many steps; `heads` the `weights`, packed (time, heads, slots), and
 * their `sums` of `writes` and `reads`.
 */
class Timeline {
  constructor(sequence) {
    this.sequence = sequence;
    this.order = { rows: null };
    this.step = sequence.start ?? 0;
    this.cursors = [];
    this.maps = [];
    this.frames = [];
    this.readout = h("div", { class: "read" }, "Point at a cell to read its value.");
    // Few steps are not stretched into bars.
    const style = `max-width:max(26rem, calc(var(--gutter) + ${2.4 * sequence.steps}rem))`;
    const timeline = h("div", { class: "timeline", style }, sequence.groups.map((group) => this.group(group)), this.readout);
    this.element = h("div", { class: sequence.frames ? "player" : "player alone" });
    if (sequence.frames) {
      const frames = sequence.frames.map((frame) => this.frame(frame));
      this.element.append(this.transport(), timeline, h("div", { class: "frames" }, frames));
      this.go(this.step);
    } else {
      this.element.append(timeline);
    }
  }

  group({ title, panels }) {
    const { steps } = this.sequence;
    const spans = this.sequence.scored.map(([from, to]) =>
      h("span", { style: `left:${(from / steps) * 100}%;width:${((to - from) / steps) * 100}%` }));
    const marks = ticks(1, steps, 8).filter(Number.isInteger).map((t) =>
      h("span", { style: `left:${((t - 0.5) / steps) * 100}%` }, String(t)));
    const scored = h("div", { class: "scored", title: "an answer is asked for here" }, spans);
    return h("div", { class: "group" }, title ? h("h3", {}, title) : undefined,
      spans.length ? h("div", { class: "row" }, h("div"), scored) : undefined,
      panels.map((panel) => this.panel(panel)),
      h("div", { class: "row" }, h("div"),
        h("div", { class: "xlabels", "aria-hidden": "true" }, marks, h("span", { class: "axisname" }, "step"))));
  }

  panel(panel) {
    const { data, title, names, rows, note, wrong, verdict } = panel;
    const map = new HeatMap(panel, data, { height: heightOf(data.shape[1]), order: this.order, label: `${title}, over time` });
    const cursor = h("div", { class: "cursor", hidden: true });
    map.field.append(cursor);
    map.field.addEventListener("pointermove", (event) => {
      const { column, row, value } = map.under(event);
      const name = names ? names[row] : `${rows} ${row + 1}`;
      this.readout.textContent = `Step ${column + 1}, ${name}: ${show(value)} (${title.toLowerCase()})`;
    });
    map.field.addEventListener("click", (event) => this.go(map.under(event).column));
    this.cursors.push(cursor);
    this.maps.push(map);
    const judged = verdict ? h("span", { class: wrong.length ? "wrongcount" : "rightcount" }, verdict) : undefined;
    return h("div", { class: "panel" },
      h("header", {}, h("h4", {}, title, judged), colorbar(panel.map, data.low, data.high)),
      note ? h("p", { class: "note" }, note) : undefined,
      h("div", { class: "row" }, rowLabels(map.rows, rows, names), map.field));
  }

  /** Play button, slider, the step it stands at, and where the heads are. */
  transport() {
    const { steps } = this.sequence;
    this.play = h("button", { class: "play", type: "button", on: { click: () => this.toggle() } }, "▶ Play");
    this.slider = h("input", { type: "range", min: 1, max: steps, value: 1, "aria-label": "Step", on: {
      input: () => { this.stop(); this.go(Number(this.slider.value) - 1); } } });
    this.clock = h("output", {});
    this.heads = h("span", { class: "heads" });
    const sorted = checkbox("slots in order of first writing", false, (on) => {
      this.order.rows = on ? this.sequence.slotOrder : null;
      for (const map of this.maps) map.draw();
      for (const axis of this.element.querySelectorAll("[data-name$=slot]")) {
        axis.textContent = axis.dataset.name + (on ? ", nth written" : "");
      }
      this.go(this.step);
    });
    return h("div", { class: "transport controls" }, this.play, this.slider, this.clock, this.heads, sorted);
  }

  toggle() {
    if (this.timer) return this.stop();
    if (this.step === this.sequence.steps - 1) this.go(0);
    this.play.textContent = "❚❚ Pause";
    this.timer = setInterval(() => {
      if (this.step === this.sequence.steps - 1) this.stop();
      else this.go(this.step + 1);
    }, 160);
  }

  stop() {
    if (!this.timer) return;
    clearInterval(this.timer);
    this.timer = null;
    this.play.textContent = "▶ Play";
  }

  /** A map at the chosen step, with the heads' weights in narrow strips beside it if it has them. */
  frame(frame) {
    const { writes, reads } = this.sequence.heads;
    const strip = (label, data) => ({ label, data, every: 1, map: "sequential" });
    const main = { ...frame, label: frame.columns };
    const strips = frame.heads ? [strip("written", writes.weights), main, strip("read", reads.weights)] : [main];
    const slots = frame.data.shape[2];
    const height = `height:${Math.min(300, Math.max(120, 6 * slots))}px`;
    const maps = strips.map((shown) => {
      const label = `${frame.title}, ${shown.label}, at the chosen step`;
      const canvas = h("canvas", { role: "img", "aria-label": label });
      const draw = () => this.drawStrip(canvas, shown);
      this.frames.push(draw);
      theme.drawn(draw);
      return h("div", { class: "strip" }, h("div", { class: "field", style: height }, canvas), h("small", { "data-name": shown.label }, shown.label));
    });
    return h("div", { class: "frame" },
      h("header", {}, h("h4", {}, frame.title), colorbar(frame.map, frame.data.low, frame.data.high)),
      h("p", { class: "note" }, frame.note),
      h("div", { class: "strips" }, h("div", { style: height }, rowLabels(slots, frame.rows)),
        h("div", { class: frame.heads ? "maps flanked" : "maps" }, maps)));
  }

  drawStrip(canvas, { data, every, square, map }) {
    const [columns, rows] = data.shape.slice(1);
    const { bytes } = data.at(Math.floor(this.step / every));
    const pick = (i) => (this.order.rows ? this.order.rows[i] : i);
    const level = (column, row) => bytes[(square ? pick(column) : column) * rows + pick(row)];
    paint(canvas, columns, rows, level, map);
  }

  /** Stand at a step, counted from 0. */
  go(step) {
    this.step = step;
    const { steps, heads } = this.sequence;
    for (const cursor of this.cursors) {
      cursor.hidden = false;
      cursor.style.left = `${(step / steps) * 100}%`;
      cursor.style.width = `${100 / steps}%`;
    }
    for (const draw of this.frames) draw();
    if (!this.slider) return;
    this.slider.value = step + 1;
    this.clock.textContent = `step ${step + 1} of ${steps}`;
    const { writes, reads } = heads;
    this.heads.textContent = `writes ${whereabouts(writes, step)} · reads ${whereabouts(reads, step)}`;
  }
}

/** Several sequences of which one is shown at a time. */
function timelineFigure(place, sequences) {
  const built = [];
  const body = h("div");
  const choose = (i) => {
    for (const other of built) other?.stop();
    built[i] ??= new Timeline(sequences[i]);
    body.replaceChildren(built[i].element);
  };
  if (sequences.length > 1) {
    place.append(h("div", { class: "controls" }, tabs("Sequence", sequences.map(({ title }) => title), choose)));
  }
  place.append(body);
  choose(0);
}
