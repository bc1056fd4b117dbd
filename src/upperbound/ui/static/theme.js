// The theme is the browser's own: read before anything is drawn, so that no page flashes, and kept in local storage.
(() => {
  const KEY = "upperbound.theme";
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const chosen = () => {
    try {
      return localStorage.getItem(KEY) || "auto";
    } catch {
      return "auto";
    }
  };
  const apply = () => {
    const theme = chosen() === "auto" ? (dark.matches ? "dark" : "light") : chosen();
    document.documentElement.dataset.theme = theme;
    document.documentElement.dataset.themeChosen = chosen();
    for (const button of document.querySelectorAll("[data-set-theme]")) {
      button.setAttribute("aria-pressed", String(button.dataset.setTheme === chosen()));
    }
    dispatchEvent(new CustomEvent("upperbound-theme", { detail: theme }));
    globalThis.emitEvent?.("upperbound-theme", theme);
  };
  const set = (theme) => {
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // A browser that keeps nothing shows the theme of its system.
    }
    apply();
  };
  globalThis.upperboundTheme = { apply };
  dark.addEventListener("change", apply);
  addEventListener("storage", (event) => event.key === KEY && apply());
  addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-set-theme], [data-toggle-theme]");
    if (!button) return;
    set(button.dataset.setTheme || (document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
  });
  // Editors of code have a field of their own making: it gets the name that its surroundings carry.
  new MutationObserver(() => {
    for (const field of document.querySelectorAll(".cm-content:not([aria-label])")) {
      field.setAttribute("aria-label", field.closest("[data-label]")?.dataset.label ?? "Code");
    }
  }).observe(document.documentElement, { childList: true, subtree: true });
  apply();
})();
