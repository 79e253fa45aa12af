// Line charts: several seeds a series, a median where there are many, a read-out under the pointer.

/** About `count` round numbers from `low` to `high`. */
function ticks(low, high, count) {
  const raw = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 5, 10].find((m) => m * power >= raw);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

function decades(low, high) {
  const first = Math.ceil(Math.log10(low) - 1e-9);
  const last = Math.floor(Math.log10(high) + 1e-9);
  const every = Math.max(1, Math.ceil((last - first) / 6));
  const all = Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => 10 ** (first + i));
  return all.length < 2 ? ticks(low, high, 4).filter((t) => t > 0) : all.filter((_, i) => i % every === 0);
}

/**
 * One chart of `{label, unit, scale, xlabel, series: [{name, x, seeds}], band}`; `seeds` holds a
 * list of values for each network, `band` the training range.
 */
class LineChart {
  constructor(spec, { markers = false } = {}) {
    this.spec = spec;
    this.markers = markers;
    this.log = spec.scale === "log";
    this.xs = [...new Set(spec.series.flatMap((series) => series.x))].sort((a, b) => a - b);
    this.index = null;
    this.readout = h("div", { class: "read", "aria-live": "polite" });
    this.holder = h("div", {
      class: "chart", tabindex: "0", role: "group",
      "aria-label": `Chart of ${spec.label} by ${spec.xlabel}; arrow keys read out the values`,
      on: {
        pointermove: (e) => this.point(this.nearest(e.clientX - this.holder.getBoundingClientRect().left)),
        pointerleave: () => this.point(null),
        keydown: (e) => this.key(e),
      },
    });
    this.element = h("div", {}, this.legend(), this.holder, this.readout);
    new ResizeObserver(() => this.draw()).observe(this.holder);
    this.point(null);
  }

  legend() {
    const several = Math.max(...this.spec.series.map((series) => series.seeds.length)) > 1;
    return h("div", { class: "controls" }, h("div", { class: "legend" },
      this.spec.series.map((series, i) =>
        h("span", { class: `s${i}` }, h("i"), h("span", {}, several ? `${series.name}, median` : series.name))),
      several ? h("span", {}, "thin lines: single networks") : undefined),
    this.spec.scale === "log"
      ? checkbox("logarithmic", true, (on) => { this.log = on; this.draw(); }) : undefined);
  }

  /** Scales for a width in pixels; on a logarithmic axis zeros lie on its foot. */
  layout(width) {
    const { spec } = this;
    const values = spec.series.flatMap((series) => series.seeds.flat()).filter((v) => v !== null);
    const positive = values.filter((v) => v > 0);
    const log = this.log && positive.length > 0;
    let low = Math.min(...values);
    let high = Math.max(...values);
    if (log) {
      low = Math.min(...positive) / (values.length > positive.length ? 3 : 1.2);
      high = Math.max(...positive);
    } else {
      low = Math.min(low, 0);
      if (spec.unit === "share") high = 1;
    }
    if (!(high > low)) high = low + (Math.abs(low) || 1);
    const box = { left: 64, right: width - 14, top: 14, bottom: Math.min(340, 150 + width / 5) };
    const last = this.xs.at(-1) || 1;
    const f = log ? Math.log : (v) => v;
    const x = (v) => box.left + (v / last) * (box.right - box.left);
    const y = (v) => {
      const share = (f(Math.max(v, low)) - f(low)) / (f(high) - f(low));
      return box.bottom - share * (box.bottom - box.top);
    };
    const yticks = log ? decades(low, high) : ticks(low, high, 5);
    const zero = log && values.length > positive.length;
    return { box, x, y, yticks, xticks: ticks(0, last, Math.max(2, width / 110)), zero };
  }

  draw() {
    const width = this.holder.clientWidth;
    if (!width || !this.xs.length) return;
    const { spec } = this;
    this.scales = this.layout(width);
    const { box, x, y, xticks, yticks, zero } = this.scales;
    const height = box.bottom + 46;
    const svg = s("svg", { viewBox: `0 0 ${width} ${height}`, height, role: "img", "aria-label": `${spec.label} by ${spec.xlabel}` });
    if (spec.band) {
      const from = x(spec.band.low);
      const shaded = Math.max(3, x(spec.band.high) - from);
      svg.append(
        s("rect", { class: "band", x: from, y: box.top, width: shaded, height: box.bottom - box.top }),
        s("text", { class: "bandname", x: from + 5, y: box.bottom - 7 }, spec.band.label));
    }
    for (const tick of yticks) {
      svg.append(
        s("line", { class: "axis", x1: box.left, x2: box.right, y1: y(tick), y2: y(tick) }),
        s("text", { x: box.left - 8, y: y(tick) + 4, "text-anchor": "end" }, show(tick, spec.unit)));
    }
    if (zero) svg.append(s("text", { x: box.left - 8, y: box.bottom + 4, "text-anchor": "end" }, "0"));
    for (const tick of xticks) svg.append(s("text", { x: x(tick), y: box.bottom + 18, "text-anchor": "middle" }, show(tick)));
    const middle = (box.top + box.bottom) / 2;
    svg.append(
      s("text", { x: (box.left + box.right) / 2, y: box.bottom + 38, "text-anchor": "middle" }, spec.xlabel),
      s("text", { transform: `translate(13 ${middle}) rotate(-90)`, "text-anchor": "middle" }, spec.label));
    spec.series.forEach((series, i) => svg.append(this.lines(series, i)));
    this.rule = s("line", { class: "rule", y1: box.top, y2: box.bottom, visibility: "hidden" });
    svg.append(this.rule);
    this.holder.replaceChildren(svg);
  }

  lines(series, i) {
    const { x, y } = this.scales;
    const path = (values) => {
      let pen = "M";
      return values.map((v, k) => {
        if (v === null) { pen = "M"; return ""; }
        const part = `${pen}${x(series.x[k]).toFixed(1)} ${y(v).toFixed(1)}`;
        pen = "L";
        return part;
      }).join("");
    };
    const group = s("g", { class: `s${i}` });
    const several = series.seeds.length > 1;
    if (several) group.append(...series.seeds.map((values) => s("path", { class: "line seed", d: path(values) })));
    group.append(s("path", { class: "line main", d: path(series.middle) }));
    if (this.markers || series.x.length === 1) {
      series.middle.forEach((v, k) => v !== null && group.append(s("circle", { class: "dot", cx: x(series.x[k]), cy: y(v), r: 3.2 })));
    }
    return group;
  }

  nearest(pixel) {
    const distance = (i) => Math.abs(this.scales.x(this.xs[i]) - pixel);
    return this.xs.reduce((best, _, i) => (distance(i) < distance(best) ? i : best), 0);
  }

  key(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const from = this.index ?? (step > 0 ? -1 : this.xs.length);
    this.point(Math.min(this.xs.length - 1, Math.max(0, from + step)));
  }

  /** Read out the values at `this.xs[index]`. */
  point(index) {
    this.index = index;
    if (index === null) {
      this.rule?.setAttribute("visibility", "hidden");
      this.readout.textContent = "Point at the chart, or focus it and use the arrow keys, to read values.";
      return;
    }
    const at = this.xs[index];
    this.rule?.setAttribute("visibility", "visible");
    this.rule?.setAttribute("x1", this.scales.x(at));
    this.rule?.setAttribute("x2", this.scales.x(at));
    const { unit } = this.spec;
    const parts = this.spec.series.filter((series) => series.x.includes(at)).map((series) => {
      const k = series.x.indexOf(at);
      const values = series.seeds.map((seed) => seed[k]).filter((v) => v !== null);
      const spread = `(${show(Math.min(...values), unit)} to ${show(Math.max(...values), unit)})`;
      return `${series.name} ${show(series.middle[k], unit)} ${values.length > 1 ? spread : ""}`.trim();
    });
    this.readout.textContent = `${this.spec.xlabel} ${show(at)}: ${parts.join("; ")}`;
  }
}

/** A figure of several charts of which one is shown at a time. */
function chartFigure(place, charts, options) {
  const built = charts.map((spec) => new LineChart(spec, options));
  const body = h("div", {}, built[0].element);
  if (charts.length > 1) {
    const choose = (i) => body.replaceChildren(built[i].element);
    place.append(h("div", { class: "controls" }, tabs("Measure", charts.map((spec) => spec.label), choose)));
  }
  place.append(body);
}
