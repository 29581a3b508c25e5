// Theme and language only: pages and charts are complete without this script.
(function () {
  "use strict";
  var root = document.documentElement;
  var store = {
    get: function (key) { try { return window.localStorage.getItem(key); } catch (error) { return null; } },
    set: function (key, value) { try { window.localStorage.setItem(key, value); } catch (error) { /* not kept */ } }
  };
  function wanted() {
    return store.get("briefing-theme") ||
      (window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  }
  root.dataset.theme = wanted();
  window.addEventListener("beforeprint", function () { root.dataset.theme = "light"; });
  window.addEventListener("afterprint", function () { root.dataset.theme = wanted(); });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", function () {
    root.dataset.theme = wanted();
  });
  document.addEventListener("DOMContentLoaded", function () {
    var button = document.querySelector("[data-theme-switch]");
    function name() {
      if (button) { button.textContent = root.dataset.theme === "dark" ? button.dataset.light : button.dataset.dark; }
    }
    if (button) {
      button.hidden = false;
      name();
      button.addEventListener("click", function () {
        root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
        store.set("briefing-theme", root.dataset.theme);
        name();
      });
    }
    // The other language opens at the same figure.
    document.querySelectorAll("header a[data-language]").forEach(function (link) {
      link.addEventListener("click", function () { link.hash = window.location.hash; });
    });
  });
})();
