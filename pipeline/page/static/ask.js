// Asking: a text, questions, and what every runtime answers.

import { apart, byId, calm, complain, count, drawn, element, milliseconds, say, unanswered } from "./dom.js";
import { engine, plain, title, watch } from "./engines.js";
import { Line } from "./server.js";

const MAX_FILE_BYTES = 4_000_000;
const MAX_HISTORY = 50;
const line = new Line();
const asked = [];
let rules;
let shown = new Map(); // by runtime: its card, its answer
let picked = null;

export function begin(given) {
  rules = given;
  rules.samples.forEach((sample, place) => byId("samples").append(element("option", { value: place }, sample.title)));
  byId("samples").addEventListener("change", takeSample);
  byId("file").addEventListener("change", openFile);
  byId("edit").addEventListener("click", () => { edit(); byId("context").focus(); });
  byId("context").addEventListener("paste", refuseTooMuch);
  byId("context").addEventListener("input", () => { countCharacters(); suggest([]); });
  byId("question-form").addEventListener("submit", (event) => { event.preventDefault(); ask(); });
  byId("stop").addEventListener("click", () => { line.stop(); busy(false); say("Stopped."); pending("stopped"); byId("question").focus(); });
  if (rules.samples.length) useSample(rules.samples[0]);
}

export const example = () => ({ question: byId("question").value, context: byId("context").value });

function takeSample(event) {
  const sample = rules.samples[event.target.value];
  if (sample) useSample(sample);
  event.target.value = "";
}

function useSample(sample) {
  setText(sample.text);
  suggest(sample.questions);
}

function setText(text) {
  byId("context").value = text;
  edit();
  countCharacters();
}

function suggest(questions) {
  byId("suggestions").replaceChildren(...questions.map((each) => element("button", {
    type: "button", class: "quiet", onclick: () => { byId("question").value = each; ask(); },
  }, each)));
}

// A field with a megabyte of text would stop the page for half a minute, so it does not get that far.
function isTooLong(text) {
  const most = rules.max_characters;
  if (text.length <= 2 * most) return false;
  complain(`The text has ${count(text.length, "character")}, and the bundle reads ${most.toLocaleString("en")}.`, "Take a part of it.");
  return true;
}

function refuseTooMuch(event) {
  if (isTooLong(event.clipboardData.getData("text/plain"))) event.preventDefault();
}

function edit() {
  byId("context").hidden = false;
  byId("reading").hidden = true;
  byId("edit").hidden = true;
}

function countCharacters() {
  const length = byId("context").value.length;
  const most = rules.max_characters;
  byId("count").textContent = `${count(length, "character")} of at most ${most.toLocaleString("en")}`;
  byId("count").classList.toggle("too-many", length > most);
}

async function openFile(event) {
  const [file] = event.target.files;
  event.target.value = "";
  if (!file) return;
  if (file.size > MAX_FILE_BYTES) {
    complain(`${file.name} takes ${(file.size / 1e6).toFixed(0)} MB, and a text of at most 4 MB can be read.`, "Open a part of it.");
    return;
  }
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
    if (text.includes("\0")) throw new TypeError("it holds zero bytes");
    if (isTooLong(text)) return;
    calm();
    setText(text);
    suggest([]);
    say(`${file.name} is open.`);
  } catch {
    complain(`${file.name} is no text in UTF-8.`, "Save it as UTF-8, or paste its text.");
  }
}

async function ask() {
  const body = example();
  if (!body.context.trim() || !body.question.trim()) {
    complain(body.context.trim() ? "There is no question yet." : "There is no text yet.", "Write one first.");
    (body.context.trim() ? byId("question") : byId("context")).focus();
    return;
  }
  if (isTooLong(body.context)) return;
  calm();
  start();
  try {
    if (await line.send("ask", body, (event) => heard(event, body))) finish(body);
  } catch (error) {
    pending("no answer");
    complain(error.message, error.hint);
  }
  if (!line.isBusy) busy(false);
}

function start() {
  shown = new Map();
  picked = null;
  byId("answers").replaceChildren();
  byId("remarks").replaceChildren();
  byId("answers-hint").hidden = true;
  busy(true);
}

function busy(is) {
  byId("stop").hidden = !is;
  byId("answers").setAttribute("aria-busy", is);
}

function heard(event, body) {
  if (event.kind === "asked") {
    for (const id of event.ids) addCard(id);
    byId("remarks").replaceChildren(...event.remarks.map((each) => element("p", { class: "remark" }, apart(each))));
  } else if (event.kind === "answer") {
    answer(shown.get(event.id), event, body);
  } else if (event.kind === "compared") {
    compare(shown.get(event.id), event);
  } else if (event.kind === "stopped") {
    const card = shown.get(event.id);
    card.state = "failed";
    card.body.replaceChildren(...unanswered(event));
    watch();
  }
}

function addCard(id) {
  if (shown.has(id)) return;
  const { note, stage } = engine(id);
  const badge = element("span", { class: "badge" });
  const figures = element("span", { class: "figures" });
  const body = element("div", { class: "body" }, element("p", { class: "pending" }, stage === "ready" ? "…" : "starting …"));
  const head = element("div", { class: "who" }, element("span", {}, ...title(id)), badge, figures);
  const item = element("li", { "data-id": id }, head, body, note ? element("p", { class: "small" }, note) : null);
  byId("answers").append(item);
  shown.set(id, { id, item, body, badge, figures, state: "pending" });
}

function answer(card, event, body) {
  const given = event.answer;
  card.state = "answered";
  card.given = given;
  card.text = body.context;
  card.figures.textContent = `${milliseconds(event.latency_ms)} · ${given.score === null ? "no score" : given.score.toFixed(3)}`;
  card.figures.title = "Milliseconds of the model, and the score of the span among all spans of this text";
  const pick = element("button", { type: "button", class: "pick", "aria-pressed": "false", title: "Mark it in the text", onclick: () => mark(card) },
    apart(given.text));
  card.body.replaceChildren(pick, strip(given.heat, body.context));
  if (given.prefers_none) card.body.append(element("p", { class: "small" }, "“No answer” is ahead of this span."));
  if (engine(card.id).runtime === "pytorch") tell(card, "reference", "reference");
  byId("legend").hidden = false;
  if (!picked || engine(card.id).runtime === "pytorch") mark(card);
}

function tell(card, words, kind) {
  card.badge.textContent = words;
  card.badge.className = `badge ${kind}`;
}

function compare(card, event) {
  if (event.outcome === "same") tell(card, "same as PyTorch", "same");
  else if (event.outcome === "near tie") tell(card, "differs: near tie", "near");
  else tell(card, "differs from PyTorch", "differs");
  const margin = event.margin === null ? "It is no span that PyTorch could give." : `PyTorch prefers its own by ${event.margin.toFixed(2)} logits.`;
  if (event.outcome !== "same") card.body.append(element("p", { class: "small" }, margin));
}

// Where in the text an answer may begin (above) and end (below): the fuller the colour, the likelier.
function strip(heat, text) {
  const place = (at) => (1000 * at) / Math.max(1, text.length);
  const bars = heat.flatMap(([from, to, start, end]) => [[start, 0, "start"], [end, 11, "end"]].filter(([value]) => value > 0).map(
    ([value, y, kind]) => drawn("rect", { class: kind, x: place(from), y, width: Math.max(3, place(to - from)), height: 9, "fill-opacity": Math.sqrt(value).toFixed(3) })));
  return drawn("svg", { class: "heat", viewBox: "0 0 1000 20", preserveAspectRatio: "none", role: "img", "aria-label": described(heat, text) },
    drawn("rect", { class: "lane", width: 1000, height: 9 }), drawn("rect", { class: "lane", y: 11, width: 1000, height: 9 }), ...bars);
}

function described(heat, text) {
  const likeliest = (column) => heat.reduce((best, each) => (each[column] > best[column] ? each : best), heat[0]);
  if (!heat.length) return "No probabilities";
  const words = [[2, "Begins"], [3, "ends"]].map(([column, verb]) => {
    const each = likeliest(column);
    return `${verb} most likely at “${text.slice(each[0], each[1])}”, ${Math.round(100 * each[column])} %`;
  });
  return words.join("; ");
}

function mark(card) {
  picked = card;
  for (const each of shown.values()) each.body.querySelector(".pick")?.setAttribute("aria-pressed", each === card);
  for (const each of shown.values()) each.item.classList.toggle("picked", each === card);
  const { utf16_start: start, utf16_end: end } = card.given;
  const marked = element("mark", {}, card.text.slice(start, end));
  byId("reading").replaceChildren(card.text.slice(0, start), marked, card.text.slice(end));
  byId("reading").hidden = false;
  byId("context").hidden = true;
  byId("edit").hidden = false;
  const box = byId("reading");
  box.scrollTop = Math.max(0, marked.offsetTop - box.offsetTop - box.clientHeight / 3);
}

function pending(words) {
  for (const card of shown.values()) {
    if (card.state === "pending") card.body.replaceChildren(element("p", { class: "pending" }, words));
  }
}

function finish(body) {
  const cards = [...shown.values()].filter((each) => each.state === "answered");
  say(cards.length ? `${count(cards.length, "runtime")} answered: ${cards[0].given.text}` : "No runtime answered.");
  const texts = new Set(cards.map((each) => each.given.text));
  const before = asked.findIndex((each) => each.question === body.question && each.context === body.context);
  if (before >= 0) asked.splice(before, 1);
  asked.unshift({ ...body, said: cards.length ? cards[0].given.text : "no answer", num: texts.size });
  asked.length = Math.min(asked.length, MAX_HISTORY);
  byId("history-card").hidden = false;
  byId("history").replaceChildren(...asked.map((each) => element("li", {}, element("button", {
    type: "button", class: "quiet", onclick: () => { setText(each.context); byId("question").value = each.question; ask(); },
  }, apart(each.question)), element("span", { class: "small" }, apart(each.said), each.num > 1 ? ` · ${each.num} different answers` : ""))));
}

export const names = () => [...shown.keys()].map(plain);
