// The self test of a bundle, with its progress.

import { apart, complain, element } from "./dom.js";
import { Line } from "./server.js";

export function begin() {
  for (const button of document.querySelectorAll(".self-test")) button.addEventListener("click", () => run(button));
}

async function run(button) {
  const place = button.closest(".bundle").querySelector(".self-test-place");
  const bars = new Map();
  button.disabled = true;
  place.replaceChildren();
  try {
    await new Line().send("self-test", { bundle: Number(button.dataset.bundle) }, (event) => {
      if (event.kind === "progress") progress(place, bars, event);
      else place.replaceChildren(event.kind === "result" ? result(event) : failure(event));
    });
  } catch (error) {
    place.replaceChildren();
    complain(error.message, error.hint);
  }
  button.disabled = false;
}

function progress(place, bars, { name, done, total }) {
  if (!bars.has(name)) {
    bars.set(name, element("progress", { max: total, value: 0, "aria-label": name }));
    place.append(element("div", { class: "bar" }, element("span", {}, name), bars.get(name)));
  }
  bars.get(name).value = done;
}

function result({ tested, problems }) {
  const rows = tested.map((each) => element("tr", {}, element("td", {}, each.runtime),
    element("td", { class: each.verdict }, each.verdict.toUpperCase()),
    element("td", { class: "number" }, `${each.num_same} of ${each.num_asked}`),
    element("td", { class: "number" }, `${each.max_abs_diff?.toPrecision(2) ?? "–"} of ${each.tolerance.toPrecision(2)}`)));
  const head = ["runtime", "self test", "same answers", "difference, logits"].map((each, place) => element("th", { class: place > 1 ? "number" : "" }, each));
  return element("div", { class: "tested" },
    element("p", { class: problems.length ? "fail" : "pass" }, problems.length ? `FAIL: ${problems.length} of what was looked at is not as it should be.` : "PASS: every file is what the manifest says, and every runtime answers as it should."),
    element("ul", {}, ...problems.map((each) => element("li", {}, apart(each.path), ": ", apart(each.problem)))),
    rows.length ? element("table", {}, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...rows)) : null);
}

const failure = ({ message, hint }) => element("p", { class: "fail" }, message, hint ? ` (${hint})` : "");
