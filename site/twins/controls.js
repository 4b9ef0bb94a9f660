// Small parts that the twins share. Each is plain HTML, so the keyboard and a screen reader work it as they work any page.
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes))
    name.startsWith("on") ? made.addEventListener(name.slice(2), value) : made.setAttribute(name, value);
  made.append(...children);
  return made;
}

export const row = (...children) => element("div", {class: "controls"}, ...children);
export const button = (text, onclick) => element("button", {type: "button", onclick}, text);

export function slider(name, {min, max, step = 1, value, digits = 0}, changed) {
  const input = element("input", {type: "range", min, max, step, value}), shown = element("span", {class: "shown", "aria-hidden": "true"});
  const show = () => { shown.textContent = Number(input.value).toFixed(digits) };
  const label = element("label", {}, name, input, shown);
  input.addEventListener("input", () => { show(); changed(Number(input.value)) });
  show();
  return Object.assign(label, {input, set(value) { input.value = value; show() }});
}

export function choice(name, options, value, changed) { // options: {value: what is shown}
  const select = element("select", {onchange: () => changed(select.value)},
    ...Object.entries(options).map(([key, text]) => element("option", {value: key, ...(key === value && {selected: ""})}, text)));
  return element("label", {}, name, select);
}

export function number(name, {min, max, step = 1, value}, changed) {
  const input = element("input", {type: "number", min, max, step, value});
  input.addEventListener("change", () => {
    if (input.checkValidity() && input.value !== "") changed(Number(input.value));
    else input.reportValidity();
  });
  return Object.assign(element("label", {}, name, input), {input});
}

export const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
