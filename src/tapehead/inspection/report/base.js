// Elements, numbers, packed arrays and the theme: what every figure is made with.

const NS = "http://www.w3.org/2000/svg";

/** An HTML element with attributes and children; `on` holds its listeners. */
function h(tag, { on = {}, ...attributes } = {}, ...children) {
  return fill(document.createElement(tag), on, attributes, children);
}

/** The same for SVG. */
function s(tag, { on = {}, ...attributes } = {}, ...children) {
  return fill(document.createElementNS(NS, tag), on, attributes, children);
}

function fill(element, on, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  for (const [event, listener] of Object.entries(on)) element.addEventListener(event, listener);
  element.append(...children.flat().filter((child) => child !== undefined));
  return element;
}

/** A number as people read it: 1,400; 0.0123; 99.5 % where it is a share. */
function show(value, unit) {
  if (value === null || !Number.isFinite(value)) return "–";
  if (unit === "share") {
    // Two digits near the top, and never 100 % where anything was wrong.
    const percent = value < 1 ? Math.min(100 * value, 99.99) : 100 * value;
    return `${percent.toLocaleString("en", { maximumFractionDigits: value > 0.99 ? 2 : 1 })} %`;
  }
  if (Number.isInteger(value)) return value.toLocaleString("en");
  const size = Math.abs(value);
  if (size < 0.001 || size >= 1e6) return value.toExponential(1).replace("e", "·10^").replace("+", "");
  return value.toLocaleString("en", { maximumSignificantDigits: 3 });
}

const LEVELS = 254;
const MISSING = 255;

/** An array as Python packed it: one byte a number between `low` and `high`, deflated, base64. */
class Packed {
  constructor(shape, low, high, bytes) {
    Object.assign(this, { shape, low, high, bytes });
  }

  static async unpack({ shape, low, high, bytes }) {
    const deflated = Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0));
    const stream = new Blob([deflated]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Packed(shape, low, high, new Uint8Array(await new Response(stream).arrayBuffer()));
  }

  /** The part at index `i` of the leading axis. */
  at(i) {
    const shape = this.shape.slice(1);
    const size = shape.reduce((a, b) => a * b, 1);
    return new Packed(shape, this.low, this.high, this.bytes.subarray(i * size, (i + 1) * size));
  }

  value(offset) {
    const level = this.bytes[offset];
    return level === MISSING ? null : this.low + ((this.high - this.low) * level) / LEVELS;
  }
}

/** Replace every packed array in a tree of plain data by a `Packed`. */
async function unpackAll(tree) {
  if (Array.isArray(tree)) return Promise.all(tree.map(unpackAll));
  if (tree === null || typeof tree !== "object") return tree;
  if ("bytes" in tree) return Packed.unpack(tree);
  const entries = Object.entries(tree).map(async ([name, value]) => [name, await unpackAll(value)]);
  return Object.fromEntries(await Promise.all(entries));
}

/** Light or dark: the system's choice unless the button, or printing, says otherwise. */
const theme = {
  system: matchMedia("(prefers-color-scheme: dark)"),
  chosen: "auto",
  redraws: [],

  get dark() {
    return this.chosen === "auto" ? this.system.matches : this.chosen === "dark";
  },

  /** Call `draw` now and whenever the colours change. */
  drawn(draw) {
    this.redraws.push(draw);
    draw();
  },

  set(choice) {
    this.chosen = choice;
    if (choice === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = choice;
    for (const draw of this.redraws) draw();
  },

  start(button) {
    const order = ["auto", "light", "dark"];
    button.addEventListener("click", () => {
      const next = order[(order.indexOf(this.chosen) + 1) % order.length];
      this.set(next);
      button.querySelector("span").textContent = next;
      button.setAttribute("aria-label", `Colours: ${next === "auto" ? "as the system" : next}`);
    });
    this.system.addEventListener("change", () => this.set(this.chosen));
    let before = this.chosen;
    addEventListener("beforeprint", () => { before = this.chosen; this.set("light"); });
    addEventListener("afterprint", () => this.set(before));
  },
};

let groups = 0;

/** A choice of one among `names` as a row of radio buttons. */
function tabs(legend, names, choose) {
  const group = `choice${groups++}`;
  return h("fieldset", { class: "tabs" }, h("legend", { class: "hidden" }, legend), names.map((name, i) =>
    h("label", {}, h("input", { type: "radio", name: group, checked: i === 0, on: { change: () => choose(i) } }), name)));
}

function checkbox(name, checked, change) {
  return h("label", {}, h("input", { type: "checkbox", checked, on: { change: (e) => change(e.target.checked) } }), name);
}
