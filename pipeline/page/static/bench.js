// The same input again and again in every runtime, with a picture of the spread.

import { byId, calm, complain, drawn, element, milliseconds, say } from "./dom.js";
import { ofBundle, title } from "./engines.js";
import { Line } from "./server.js";

const line = new Line();
const ROW = 34;
const LEFT = 130;
const ROOM_OF_TICK = 70;
let times = new Map();

// `examples` gives, by task, what the other tabs hold.
export function begin(examples, tasks) {
  byId("bench-form").addEventListener("submit", (event) => { event.preventDefault(); run(examples, tasks); });
  byId("stop-bench").addEventListener("click", () => { line.stop(); say("Stopped."); });
}

async function run(examples, tasks) {
  const bundle = Number(byId("bench-bundle").value);
  const repeats = Number(byId("repeats").value);
  const asked = examples[tasks[bundle]]();
  if (!(asked.question ?? asked.text).trim()) {
    complain("There is nothing to run yet.", "Write a question, or a text, in the other tab first.");
    return;
  }
  calm();
  times = new Map(ofBundle(bundle).map((each) => [each.id, []]));
  byId("bench-card").hidden = false;
  draw(repeats);
  byId("stop-bench").hidden = false;
  byId("bench").disabled = true;
  try {
    const done = await line.send("bench", { bundle, asked, repeats }, (event) => {
      if (event.kind === "timed") times.get(event.id).push(event.ms);
      if (event.kind === "stopped") complain(event.message, event.hint);
      draw(repeats);
    });
    if (done) say("The bench is done.");
  } catch (error) {
    complain(error.message, error.hint);
  }
  byId("stop-bench").hidden = true;
  byId("bench").disabled = false;
}

const quantile = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];

function draw(repeats) {
  const most = Math.max(1, ...[...times.values()].flat());
  const width = Math.max(280, byId("spread").clientWidth);
  const right = width - 30;
  const step = niceStep(most / Math.floor((right - LEFT) / ROOM_OF_TICK));
  const end = step * Math.ceil(most / step);
  const x = (value) => LEFT + ((right - LEFT) * value) / end;
  const height = ROW * times.size + 34;
  const ticks = Array.from({ length: Math.round(end / step) + 1 }, (_, place) => place * step);
  const axis = ticks.flatMap((value) => [
    drawn("line", { class: "grid", x1: x(value), x2: x(value), y1: 4, y2: height - 26 }),
    drawn("text", { x: x(value), y: height - 8, "text-anchor": "middle" }, (+value.toPrecision(3)).toLocaleString("en")),
  ]);
  const rows = [...times].flatMap(([id, values], place) => spread(ofId(id), values, ROW * place + ROW / 2 + 2, x));
  const words = `Spread of milliseconds, ${repeats} times each`;
  byId("spread").replaceChildren(drawn("svg", { class: "spread", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": words },
    ...axis, ...rows, drawn("text", { x: 0, y: height - 8 }, "milliseconds")));
  table();
}

const ofId = (id) => id.slice(id.indexOf("-") + 1);

function spread(name, values, y, x) {
  const sorted = [...values].sort((one, other) => one - other);
  const dots = values.map((value, place) => drawn("circle", { cx: x(value), cy: y + ((place * 7) % 13) - 6, r: 3 }));
  const median = sorted.length ? [drawn("line", { class: "median", x1: x(quantile(sorted, 0.5)), x2: x(quantile(sorted, 0.5)), y1: y - 13, y2: y + 13 })] : [];
  return [drawn("text", { x: 0, y: y + 5 }, name), ...dots, ...median];
}

function niceStep(least) {
  const power = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5, 10].map((each) => each * power).find((each) => each >= least);
}

function table() {
  const head = ["runtime", "times", "least", "median", "90 %", "most"].map((each, place) => element("th", { class: place ? "number" : "" }, each));
  const rows = [...times].map(([id, values]) => {
    const sorted = [...values].sort((one, other) => one - other);
    const figures = sorted.length ? [0, 0.5, 0.9, 1].map((share) => milliseconds(quantile(sorted, share))) : ["–", "–", "–", "–"];
    return element("tr", {}, element("td", {}, ...title(id)), element("td", { class: "number" }, sorted.length), ...figures.map((each) => element("td", { class: "number" }, each)));
  });
  byId("times").replaceChildren(element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...rows));
}
