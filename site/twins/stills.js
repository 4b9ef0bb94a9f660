// A control whose every state Python drew when the site was built (site/export.py): sliders and a button choose the one to show.
import {button, element, row, slider} from "./controls.js";

export async function play(place, config) {
  const own = JSON.stringify(config).includes("-cifar10") ? `${place.dataset.twin}-cifar10` : place.dataset.twin;
  let known;
  try {
    const answer = await fetch(new URL(`stills/${own}.json`, import.meta.url));
    known = await answer.json();
  } catch {
    return; // its picture stays
  }
  const {sliders, note, shared, shown} = known, at = sliders.map(({start}) => start);
  let pressed = 0;
  const told = element("div", {role: "status"}), picture = element("div", {class: "still"}), fixed = element("div");
  const ranges = sliders.map(({name, values}, i) => {
    const made = slider(name, {min: 0, max: values.length - 1, value: at[i]}, value => { at[i] = value; draw() });
    made.show = () => {
      made.querySelector(".shown").textContent = values[at[i]];
      made.input.setAttribute("aria-valuetext", values[at[i]]);
    };
    return made;
  });
  const again = shown.length > 1 ? [button(known.button, () => { pressed = (pressed + 1) % shown.length; draw() })] : [];
  place.replaceChildren(row(...ranges, ...again), told, picture, fixed, element("p", {class: "note"}, note));
  draw();

  function draw() {
    const state = shown[pressed][at.reduce((sum, value, i) => sum * sliders[i].values.length + value, 0)];
    [told.innerHTML, picture.innerHTML, fixed.innerHTML] = [state[0], state[1], shared[pressed]];
    ranges.forEach(each => each.show());
  }
}
