"use strict";
(() => {
  document.documentElement.classList.add("js");

  function show(scene, position) {
    const answers = [...scene.querySelectorAll("[data-answer]")];
    answers.forEach((answer, number) => {
      answer.classList.toggle("shown", number === position);
      answer.setAttribute("aria-hidden", String(number !== position));
    });
    const slider = scene.querySelector("input");
    slider.value = position;
    say(slider, answers[position].dataset.answer);
  }

  function say(slider, name) {
    slider.setAttribute("aria-valuetext", name);
    slider.parentElement.querySelector("output").textContent = name;
  }

  const scenes = [...document.querySelectorAll("[data-scene]")];
  for (const scene of scenes) {
    const slider = scene.querySelector("input");
    slider.addEventListener("input", () => show(scene, Number(slider.value)));
    show(scene, Number(slider.value));
  }

  // The last position is backed off whatever the depth of a run's tree.
  const all = document.querySelector("[data-all] input");
  if (all) {
    const names = JSON.parse(all.dataset.names);
    const last = names.length - 1;
    const showAll = () => {
      const position = Number(all.value);
      for (const scene of scenes) {
        const most = Number(scene.querySelector("input").max);
        show(scene, position === last ? most : Math.min(position, most - 1));
      }
      say(all, names[position]);
    };
    all.addEventListener("input", showAll);
    showAll();
  }

  for (const heat of document.querySelectorAll("[data-heat]")) {
    const { classes, counts, corner, cell } = JSON.parse(heat.dataset.heat);
    const drawing = heat.querySelector("svg");
    const words = heat.querySelector(".cell");
    drawing.addEventListener("pointermove", (event) => {
      const box = drawing.getBoundingClientRect();
      const scale = drawing.viewBox.baseVal.width / box.width;
      const column = Math.floor(((event.clientX - box.left) * scale - corner) / cell);
      const row = Math.floor(((event.clientY - box.top) * scale - corner) / cell);
      const count = (counts[row] || [])[column];
      if (count === undefined) return;
      const total = counts[row].reduce((sum, one) => sum + one, 0);
      const share = total ? `, ${Number(((100 * count) / total).toPrecision(3))} %` : "";
      const pixels = `${count.toLocaleString("en").replaceAll(",", " ")} pixels`;
      words.textContent = `${classes[row]} answered as ${classes[column]}: ${pixels}${share}`;
    });
  }

  addEventListener("beforeprint", () => {
    document.querySelectorAll("details").forEach((one) => (one.open = true));
  });
})();
