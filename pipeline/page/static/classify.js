// Classifying: bars while one writes, and a table for a list.

import { apart, byId, calm, complain, count, element, milliseconds, say, unanswered } from "./dom.js";
import { engine, ofTask, plain, title, watch } from "./engines.js";
import { Line } from "./server.js";

const PAUSE_MS = 150;
const MAX_BARS = 5;
const MAX_LINES = 2000;
const typed = new Line();
const listed = new Line();
let rules;
let timer = 0;
let cards = new Map();
let rows = [];
let columns = [];

export function begin(given) {
  rules = given;
  byId("pair-part").hidden = !rules.pair;
  rules.samples.forEach((each, place) => byId("line-samples").append(element("option", { value: place }, each.text.slice(0, 60))));
  byId("line-samples").addEventListener("change", takeSample);
  for (const id of ["line", "pair"]) byId(id).addEventListener("input", later);
  byId("list").addEventListener("input", countLines);
  byId("classify-list").addEventListener("click", classifyList);
  byId("stop-list").addEventListener("click", () => { listed.stop(); say("Stopped."); });
  byId("save").addEventListener("click", save);
  byId("list").value = rules.samples.map((each) => (rules.pair ? `${each.text}\t${each.pair}` : each.text)).join("\n");
  countLines();
}

export const example = () => one(byId("line").value, rules.pair ? byId("pair").value : null);

const one = (text, pair) => (pair === null ? { text } : { text, pair });

function takeSample(event) {
  const sample = rules.samples[event.target.value];
  event.target.value = "";
  if (!sample) return;
  byId("line").value = sample.text;
  byId("pair").value = sample.pair ?? "";
  later();
}

function later() {
  const length = byId("line").value.length;
  byId("line-count").textContent = `${count(length, "character")} of at most ${rules.max_characters.toLocaleString("en")}`;
  clearTimeout(timer);
  timer = setTimeout(classify, PAUSE_MS);
}

async function classify() {
  const body = example();
  if (!body.text.trim() || (rules.pair && !body.pair.trim())) {
    typed.stop();
    cards = new Map();
    byId("labels").replaceChildren();
    byId("labels-hint").hidden = false;
    return;
  }
  if (body.text.length > 2 * rules.max_characters) {
    complain(`The text has ${count(body.text.length, "character")}, and the bundle reads ${rules.max_characters.toLocaleString("en")}.`, "Paste a part of it.");
    return;
  }
  try {
    if (await typed.send("classify", { lines: [body] }, heard)) calm();
  } catch (error) {
    complain(error.message, error.hint);
  }
}

function heard(event) {
  if (event.kind === "asked") {
    byId("labels-hint").hidden = true;
    byId("line-remarks").replaceChildren(...event.remarks.map((each) => element("p", { class: "remark" }, apart(each))));
    for (const id of event.ids) addCard(id);
  } else if (event.kind === "answer") {
    const card = cards.get(event.id);
    card.figures.textContent = milliseconds(event.latency_ms);
    card.body.replaceChildren(...bars(event.answer));
    if (engine(event.id).runtime === "pytorch") badge(card, "reference", "reference");
  } else if (event.kind === "compared") {
    const words = { same: ["same as PyTorch", "same"], "near tie": ["differs: near tie", "near"], changed: ["differs from PyTorch", "differs"] };
    badge(cards.get(event.id), ...words[event.outcome]);
  } else if (event.kind === "stopped") {
    cards.get(event.id).body.replaceChildren(...unanswered(event));
    watch();
  }
}

function addCard(id) {
  if (cards.has(id)) return;
  const mark = element("span", { class: "badge" });
  const figures = element("span", { class: "figures" });
  const body = element("div", {}, element("p", { class: "pending" }, engine(id).stage === "ready" ? "…" : "starting …"));
  byId("labels").append(element("div", { class: "runtime", "data-id": id }, element("div", { class: "who" }, element("span", {}, ...title(id)), mark, figures), body));
  cards.set(id, { mark, figures, body });
}

function badge(card, words, kind) {
  card.mark.textContent = words;
  card.mark.className = `badge ${kind}`;
}

function bars(answer) {
  if (!answer.labels) return [element("p", { class: "value" }, answer.score === null ? "no number" : answer.score.toFixed(3))];
  const sorted = [...answer.labels].filter((each) => typeof each === "object");
  const shown = sorted.slice(0, MAX_BARS).map(({ label, score }) => {
    const value = element("div");
    value.style.width = `${100 * (score ?? 0)}%`;
    const bar = element("div", { class: "track", role: "meter", "aria-valuemin": 0, "aria-valuemax": 1, "aria-valuenow": score ?? 0, "aria-label": label }, value);
    return element("div", { class: "bar" }, element("bdi", {}, label), bar, element("span", { class: "number" }, score === null ? "–" : score.toFixed(3)));
  });
  const more = sorted.length - MAX_BARS;
  return more > 0 ? [...shown, element("p", { class: "small" }, `and ${count(more, "label")} less likely`)] : shown;
}

function lines() {
  return byId("list").value.split("\n").filter((each) => each.trim()).map((each) => {
    const [text, pair] = rules.pair ? each.split("\t") : [each];
    return one(text, rules.pair ? pair ?? "" : null);
  });
}

function countLines() {
  byId("list-count").textContent = `${count(lines().length, "line")} of at most ${MAX_LINES.toLocaleString("en")}`;
}

async function classifyList() {
  const asked = lines();
  if (!asked.length || asked.length > MAX_LINES) {
    complain(asked.length ? `The list has ${count(asked.length, "line")}, and ${MAX_LINES.toLocaleString("en")} are classified at a time.` : "The list is empty.", "A text a line.");
    return;
  }
  calm();
  columns = ofTask("text-classification").filter((each) => each.stage !== "stopped").map((each) => each.id);
  rows = asked.map((each) => ({ ...each, said: new Map() }));
  drawTable();
  byId("stop-list").hidden = false;
  try {
    if (await listed.send("classify", { lines: asked, only: columns }, heardOfList)) say(`${count(asked.length, "line")} classified.`);
  } catch (error) {
    complain(error.message, error.hint);
  }
  byId("stop-list").hidden = true;
  byId("save").disabled = !rows.some((each) => each.said.size);
}

function drawTable() {
  const head = element("tr", {}, element("th", { scope: "col", class: "grow" }, "text"), ...columns.map((id) => element("th", { scope: "col" }, apart(plain(id)))));
  const body = rows.map((row) => {
    row.cells = new Map(columns.map((id) => [id, element("td", {}, "…")]));
    return element("tr", {}, element("td", { class: "grow" }, apart(row.pair === undefined ? row.text : `${row.text} / ${row.pair}`)), ...row.cells.values());
  });
  byId("table").replaceChildren(element("thead", {}, head), element("tbody", {}, ...body));
  byId("table-place").hidden = false;
}

function heardOfList(event) {
  if (event.kind === "answer") {
    const row = rows[event.place];
    const [label, score] = best(event.answer);
    row.said.set(event.id, [label, score]);
    row.cells.get(event.id).replaceChildren(apart(label), element("span", { class: "number" }, ` ${score === null ? "–" : score.toFixed(3)}`));
  } else if (event.kind === "compared" && event.outcome !== "same") {
    rows[event.place].cells.get(event.id).classList.add(event.outcome === "near tie" ? "near" : "differs");
  } else if (event.kind === "stopped") {
    for (const row of rows) if (!row.said.has(event.id)) row.cells.get(event.id).replaceChildren("–");
    if (event.has_crashed) complain(event.message, "It is started again: classify the lines once more.");
    watch();
  }
}

// Of one label its name; of several those that are set; of a regression the number alone.
function best(answer) {
  if (answer.labels === undefined) return ["", answer.score];
  const first = answer.labels[0];
  if (typeof first !== "object") return [answer.labels.join("|"), null];
  return [answer.label ?? first.label, first.score];
}

const quoted = (value) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);

function save() {
  const head = ["text", ...(rules.pair ? ["text_pair"] : []), ...columns.flatMap((id) => [plain(id), `${plain(id)} score`])];
  const body = rows.map((row) => [row.text, ...(rules.pair ? [row.pair] : []), ...columns.flatMap((id) => {
    const [label, score] = row.said.get(id) ?? ["", null];
    return [label, score === null ? "" : String(score)];
  })]);
  const text = [head, ...body].map((each) => each.map(quoted).join(",")).join("\r\n");
  const url = URL.createObjectURL(new Blob([text, "\r\n"], { type: "text/csv" }));
  element("a", { href: url, download: "labels.csv" }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
