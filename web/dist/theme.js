// Before anything is drawn: the theme that was chosen here, if it is not the system's.
try {
  const theme = localStorage.getItem("sluice.theme");
  if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
} catch {
  // No storage: the system's theme.
}
