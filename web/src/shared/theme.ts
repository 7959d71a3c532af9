import { useEffect, useState } from "react";
import { forgetColours } from "./canvas";

export type Theme = "system" | "light" | "dark";
const KEY = "lb-theme";

function stored(): Theme {
  const value = localStorage.getItem(KEY);
  return value === "light" || value === "dark" ? value : "system";
}

/** The theme, how to change it, and a key that changes whenever colours do. */
export function useTheme(): [Theme, (theme: Theme) => void, string] {
  const [theme, setTheme] = useState<Theme>(stored);
  const [isDark, setDark] = useState(() => matchMedia("(prefers-color-scheme: dark)").matches);
  useEffect(() => {
    const query = matchMedia("(prefers-color-scheme: dark)");
    const onChange = () => setDark(query.matches);
    query.addEventListener("change", onChange);
    return () => query.removeEventListener("change", onChange);
  }, []);
  const isNowDark = theme === "dark" || (theme === "system" && isDark);
  const key = isNowDark ? "dark" : "light";
  if (document.documentElement.dataset.theme !== key) {
    document.documentElement.dataset.theme = key;
    forgetColours();
  }
  const set = (next: Theme) => {
    localStorage.setItem(KEY, next);
    setTheme(next);
  };
  return [theme, set, key];
}
