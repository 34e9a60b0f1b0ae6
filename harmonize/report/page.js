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

  addEventListener("beforeprint", () => {
    document.querySelectorAll("details").forEach((one) => (one.open = true));
  });
})();
