// Puts the page together: its tabs, and what stands in each.

import * as ask from "./ask.js";
import * as bench from "./bench.js";
import * as bundle from "./bundle.js";
import * as classify from "./classify.js";
import { byId } from "./dom.js";
import * as engines from "./engines.js";

const data = JSON.parse(byId("data").textContent);
const tabs = [...document.querySelectorAll("[role=tab]")];

function show(tab, takesFocus) {
  for (const each of tabs) {
    const isShown = each === tab;
    each.setAttribute("aria-selected", isShown);
    each.tabIndex = isShown ? 0 : -1;
    byId(each.getAttribute("aria-controls")).hidden = !isShown;
  }
  if (takesFocus) tab.focus();
}

function move(event) {
  const steps = { ArrowRight: 1, ArrowLeft: -1 };
  const place = tabs.indexOf(event.target);
  if (event.key in steps) show(tabs.at((place + steps[event.key]) % tabs.length), true);
  else if (event.key === "Home") show(tabs[0], true);
  else if (event.key === "End") show(tabs.at(-1), true);
  else return;
  event.preventDefault();
}

for (const tab of tabs) {
  tab.addEventListener("click", () => show(tab, false));
  tab.addEventListener("keydown", move);
}
engines.begin(data.bundles);
const parts = { "question-answering": ask, "text-classification": classify };
for (const [task, rules] of Object.entries(data.tasks)) parts[task].begin(rules);
bundle.begin();
bench.begin(Object.fromEntries(Object.entries(parts).map(([task, part]) => [task, part.example])), data.bundles.map((each) => each.task));
show(tabs[0], false);
