// A prediction: choose, and only then see the answer.
import {button, element, row} from "./controls.js";

let made = 0;

export function play(place, config) {
  const [answer, why] = JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(config.sealed), c => c.charCodeAt(0))));
  const [question, options] = [config[0], config[1]], name = `prediction-${made++}`, told = element("div", {role: "status"});
  told.textContent = "Choose one before you read on.";
  let chosen;
  const show = button("Show the answer", () => {
    const right = chosen === answer;
    told.textContent = `${right ? "✔ As you expected:" : `⚠ You expected: ${options[chosen]}. It is:`} ${options[answer]}. ${why}`;
  });
  show.disabled = true;
  const radios = options.map((text, i) => row(element("label", {}, element("input", {
    type: "radio", name, onchange: () => { chosen = i; show.disabled = false; told.textContent = "Now read on, then show the answer." },
  }), text)));
  place.replaceChildren(element("fieldset", {}, element("legend", {}, question), ...radios), row(show), told);
}
