// Makes elements; texts of others become text nodes, never markup.

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

export function element(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

export function drawn(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((each) => each !== null));
  return made;
}

// A text that may run in either direction, kept from turning what stands around it.
export const apart = (text) => element("bdi", {}, text);

export const say = (text) => { byId("said").textContent = text; };

export function complain(message, hint = "") {
  const place = byId("problem");
  place.replaceChildren(element("p", {}, element("strong", {}, message), hint ? ` ${hint}` : ""),
    element("button", { type: "button", class: "close", "aria-label": "Close", onclick: calm }, "×"));
  place.hidden = false;
}

export function calm() {
  byId("problem").hidden = true;
}

// What stands in place of an answer.
export function unanswered({ message, hint, has_crashed: hasCrashed }) {
  if (!hasCrashed) return [element("p", { class: "small" }, `Not here: ${message}`, hint ? ` (${hint})` : "")];
  return [element("p", { class: "failed" }, message), element("p", { class: "small" }, "It is started again: ask once more.")];
}

export const milliseconds = (value) => `${value < 10 ? value.toFixed(1) : Math.round(value).toLocaleString("en")} ms`;

export const count = (number, what) => `${number.toLocaleString("en")} ${what}${number === 1 ? "" : "s"}`;
