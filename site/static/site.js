// A term's definition where it stands, and the playing twins, each fetched when it comes near the window.
const says = Object.assign(document.createElement("div"), {id: "term-says", hidden: true});
says.setAttribute("role", "tooltip");
document.querySelector(".bd-article")?.append(says);
for (const term of document.querySelectorAll("a.term")) {
  const text = term.title;
  term.removeAttribute("title");
  const show = () => {
    says.textContent = text;
    says.hidden = false;
    term.setAttribute("aria-describedby", says.id);
    const at = term.getBoundingClientRect(), box = says.offsetParent.getBoundingClientRect();
    const left = Math.min(at.left, document.documentElement.clientWidth - says.offsetWidth - 16);
    says.style.left = `${Math.max(left, 16) - box.left}px`;
    says.style.top = `${at.bottom - box.top + 4}px`;
  };
  const hide = () => { says.hidden = true; term.removeAttribute("aria-describedby") };
  for (const on of ["mouseenter", "focus"]) term.addEventListener(on, show);
  for (const on of ["mouseleave", "blur"]) term.addEventListener(on, hide);
}
document.addEventListener("keydown", event => { if (event.key === "Escape") says.hidden = true });

// What scrolls sideways on a narrow window can be scrolled with the keyboard.
const scrollable = () => document.querySelectorAll(".bd-article :is(pre, .formula, .text_html, [style*=overflow], .pst-scrollable-table-container)")
  .forEach(part => { if (part.scrollWidth > part.clientWidth || part.scrollHeight > part.clientHeight) part.tabIndex = 0 });
scrollable();
addEventListener("resize", scrollable);

const TWINS = {
  playground: "playground", Playground: "playground", NoiseExplorer: "noise", ConvolutionCalculator: "convolution", Prediction: "prediction",
  ActivationExplorer: "activations", TrainingMonitor: "monitor",
  Interpolation: "stills", ClassWalk: "stills", ReceptiveField: "stills", Temperature: "stills",
};
const near = new IntersectionObserver(seen => {
  for (const {isIntersecting, target} of seen)
    if (isIntersecting) {
      near.unobserve(target);
      import(`./twins/${TWINS[target.dataset.twin]}.js`).then(twin => twin.play(target, JSON.parse(target.dataset.config)));
    }
}, {rootMargin: "600px"});
for (const place of document.querySelectorAll(".twin")) if (TWINS[place.dataset.twin]) near.observe(place);
