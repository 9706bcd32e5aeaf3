// Runs before the page is painted, so that a chosen theme does not flash the other.
(() => {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const chosen = () => {
    try {
      return localStorage.getItem("theme");
    } catch {
      return null; // storage may be forbidden; the system's theme it is
    }
  };
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
  const theme = chosen();
  if (theme === "light" || theme === "dark") root.dataset.theme = theme;

  addEventListener("DOMContentLoaded", () => {
    const button = document.querySelector("[data-testid=theme-toggle]");
    if (!button) return; // a page without the choice has the one that was made
    const changed = () => {
      button.setAttribute("aria-pressed", isDark());
      document.dispatchEvent(new Event("themechange"));
    };
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      try {
        localStorage.setItem("theme", root.dataset.theme);
      } catch {
        // It then lasts as long as the page.
      }
      changed();
    });
    dark.addEventListener("change", changed);
    changed();
  });
})();
