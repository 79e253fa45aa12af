// Put every figure in its place.

/**
 * One classified input: the picture, the probability of each class, and whether it was right; over
 * the picture `taken`, what was computed where, if that is told.
 */
function card({ image, taken, truth, names, probabilities }) {
  const order = { rows: null };
  const panel = { map: "sequential", rows: "feature" };
  const map = new HeatMap(panel, image, { height: 106, order, label: `An input of class ${names[truth]}` });
  if (taken) {
    const label = `Units computed at every position: up to ${taken.high}`;
    const over = new HeatMap({ map: "warm", rows: "feature" }, taken, { height: 106, order, label });
    over.field.classList.add("over");
    map.field.append(over.field);
  }
  const best = probabilities.indexOf(Math.max(...probabilities));
  const bars = probabilities.flatMap((p, i) => [
    h("span", { class: i === truth ? "true" : "" }, names[i]),
    h("i", { style: `width:${Math.max(0.5, 100 * p)}%`, title: show(p, "share") })]);
  const verdict = best === truth ? `${names[truth]}, recognised` : `${names[truth]}, taken for ${names[best]}`;
  return h("div", { class: best === truth ? "card" : "card miss" }, map.field, h("div", { class: "bars" }, bars),
    h("p", {}, `${verdict} (${show(probabilities[best], "share")})`));
}

const draw = {
  learning: (place, charts) => chartFigure(place, charts),
  generalisation: (place, charts) => chartFigure(place, charts, { markers: true }),
  sightings: (place, charts) => chartFigure(place, charts, { markers: true }),
  examples: timelineFigure,
  memory: timelineFigure,
  cards: (place, cards) => place.append(h("div", { class: "cards" }, cards.map(card))),
};

theme.start(document.getElementById("theme"));
const data = await unpackAll(JSON.parse(document.getElementById("data").textContent));
for (const place of document.querySelectorAll("[data-figure]")) {
  draw[place.dataset.figure](place, data[place.dataset.figure]);
}
document.documentElement.dataset.ready = "true";
