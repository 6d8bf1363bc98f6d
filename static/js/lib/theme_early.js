// @ts-check
// Sets the chosen theme before the first paint. A classic script, because a module would run after it.
(() => {
  try {
    const theme = localStorage.getItem('hubbub.theme');
    if (theme && !document.documentElement.dataset['theme']) document.documentElement.dataset['theme'] = theme;
  } catch {
    // Without storage the page follows the system.
  }
})();
