// Elements without HTML text: whatever comes from the server becomes text, never markup.

/** An element. Properties that begin with "on" are listeners; null children are left out. */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else if (name === "style") Object.assign(element.style, value);
    else if (name in element && typeof value !== "string") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** An SVG element. */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

/** Put children in place of what an element holds. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** A line that goes away by itself; errors stay longer. */
export function say(text, kind = "news") {
  const line = h("p", { class: `message ${kind}` }, text);
  document.getElementById("messages").append(line);
  setTimeout(() => line.remove(), kind === "error" ? 12000 : 5000);
}

/** What a page shows instead of its content: "loading", "empty", "failed". */
export function state(kind, text, more = null) {
  return h("div", { class: `state ${kind}`, role: kind === "failed" ? "alert" : "status" }, h("p", {}, text), more);
}

/** A dialog that the Escape key closes and that gives the focus back. */
export function dialog(title, content, buttons = []) {
  const box = h("dialog", { "aria-label": title }, h("h2", {}, title), content,
    h("div", { class: "buttons" }, buttons, h("button", { type: "button", onclick: () => box.close() }, "Close")));
  box.addEventListener("close", () => box.remove());
  document.body.append(box);
  box.showModal();
  return box;
}

export const percent = (value) => (value === null || value === undefined ? "–" : `${Math.round(100 * value)}\u202f%`);

/** A number in three digits, never in powers of ten. */
export const short = (value) => (Math.abs(value) >= 100 ? value.toFixed(0) : Math.abs(value) >= 10 ? value.toFixed(1) : value.toFixed(2)).replace("-", "−");
