// Colour maps with even steps of lightness in OKLab, safe for colour-blind readers. Each begins
// near the colour of the page, so that an empty memory looks empty, in light and in dark.

// Stops are [lightness, chroma, hue in degrees] of OKLCH.
const MAPS = {
  sequential: {
    light: [[0.955, 0.008, 100], [0.79, 0.075, 175], [0.62, 0.105, 215], [0.45, 0.115, 255], [0.28, 0.1, 280]],
    dark: [[0.26, 0.012, 255], [0.42, 0.1, 275], [0.58, 0.12, 240], [0.76, 0.12, 190], [0.94, 0.1, 115]],
  },
  warm: {
    light: [[0.985, 0.006, 100], [0.87, 0.09, 85], [0.72, 0.16, 55], [0.55, 0.19, 32]],
    dark: [[0.2, 0.012, 255], [0.42, 0.1, 30], [0.62, 0.16, 50], [0.88, 0.14, 90]],
  },
  diverging: {
    light: [[0.38, 0.13, 258], [0.67, 0.12, 245], [0.955, 0.006, 100], [0.74, 0.13, 60], [0.45, 0.125, 40]],
    dark: [[0.88, 0.08, 225], [0.58, 0.13, 250], [0.26, 0.012, 255], [0.6, 0.13, 48], [0.9, 0.1, 80]],
  },
};

function toLab([lightness, chroma, hue]) {
  const angle = (hue * Math.PI) / 180;
  return [lightness, chroma * Math.cos(angle), chroma * Math.sin(angle)];
}

/** OKLab to 8-bit sRGB (Ottosson 2020). */
function toRgb([L, a, b]) {
  const l = (L + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (L - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const n = (L - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * n,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * n,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * n,
  ].map((x) => {
    const linear = Math.min(1, Math.max(0, x));
    return Math.round(255 * (linear <= 0.0031308 ? 12.92 * linear : 1.055 * linear ** (1 / 2.4) - 0.055));
  });
}

const ramps = {};

/** The map's colours as 32-bit pixels, one for each level of a packed array; none for missing. */
function ramp(name) {
  const scheme = theme.dark ? "dark" : "light";
  return (ramps[name + scheme] ??= Uint32Array.from({ length: 256 }, (_, level) => {
    if (level === MISSING) return 0;
    const stops = MAPS[name][scheme].map(toLab);
    const place = (level / LEVELS) * (stops.length - 1);
    const k = Math.min(Math.floor(place), stops.length - 2);
    const [r, g, b] = toRgb(stops[k].map((x, i) => x + (place - k) * (stops[k + 1][i] - x)));
    return (255 << 24) | (b << 16) | (g << 8) | r;
  }));
}

/** Paint columns × rows cells, one pixel each; `level(column, row)` gives the byte to colour. */
function paint(canvas, columns, rows, level, map) {
  const colours = ramp(map);
  canvas.width = columns;
  canvas.height = rows;
  const image = new ImageData(columns, rows);
  const pixels = new Uint32Array(image.data.buffer);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      pixels[row * columns + column] = colours[level(column, row)];
    }
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

/** The legend of a map: a bar between its ends. */
function colorbar(map, low, high) {
  const canvas = h("canvas", { role: "presentation" });
  theme.drawn(() => paint(canvas, LEVELS + 1, 1, (column) => column, map));
  return h("span", { class: "colorbar" }, show(low), canvas, show(high));
}
