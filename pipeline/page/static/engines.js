// The runtimes: which there are, and how they are.

import { byId, complain, element } from "./dom.js";
import { state } from "./server.js";

const POLL_MS = 500;
const WORDS = { starting: "starting", ready: "ready", restarting: "starting again", stopped: "stopped" };

const known = new Map();
let bundles = [];
let waiting = false;

export function begin(data) {
  take(data);
  watch();
}

export const engine = (id) => known.get(id);
export const several = () => bundles.length > 1;
export const ofTask = (task) => bundles.filter((each) => each.task === task).flatMap((each) => each.engines);
export const ofBundle = (number) => bundles[number].engines;

export function title(id) {
  const each = known.get(id);
  const name = several() ? `${each.bundle}: ${each.runtime}` : each.runtime;
  return [element("bdi", { class: "name" }, name), " ", element("span", { class: "precision" }, each.precision)];
}

export const plain = (id) => (several() ? `${known.get(id).bundle} ${known.get(id).runtime}` : known.get(id).runtime);

// Looks how the runtimes are until none of them is starting.
export async function watch() {
  if (waiting) return;
  waiting = true;
  try {
    for (;;) {
      take((await state()).bundles);
      if (![...known.values()].some((each) => each.stage.endsWith("starting"))) return;
      await new Promise((done) => setTimeout(done, POLL_MS));
    }
  } catch (error) {
    complain(error.message, error.hint);
  } finally {
    waiting = false;
  }
}

function take(data) {
  bundles = data;
  for (const bundle of data) {
    for (const each of bundle.engines) known.set(each.id, { ...each, bundle: bundle.name });
  }
  const shown = bundles.flatMap((bundle) => [
    ...bundle.engines.map((each) => chip(each.id)),
    ...bundle.skipped.map((each) => element("li", { class: "skipped", title: each.reason }, each.runtime, " not here")),
  ]);
  byId("engines").replaceChildren(...shown);
}

function chip(id) {
  const { stage, reason, num_crashes: crashes } = known.get(id);
  const isHere = stage !== "stopped" || crashes > 0;
  const words = [isHere ? WORDS[stage] : "not here"];
  if (crashes) words.push(`crashed ${crashes === 1 ? "once" : `${crashes} times`}`);
  return element("li", { class: isHere ? stage : "absent", title: reason || words.join(", ") }, element("span", { class: "dot", "aria-hidden": "true" }),
    plain(id), element("span", { class: stage === "ready" && !crashes ? "visually-hidden" : "state" }, ` ${words.join(", ")}`));
}
