// Icons: one path each, on a grid of 24, drawn with lines.
const PATHS = {
  brush: "M9.5 14.500 19 5a2 2 0 0 1 0 0l.5.5a1.800 1.800 0 0 1 0 2.500L11 16.500M9.500 14.500c-2.500-.5-4.500 1-5 3-.3 1.300-.8 2-2 2.500 2 1.200 5.500 1.300 7.500-.5 1.300-1.200 1.300-2.300 1-3z",
  point: "M12 21s-6.500-6-6.500-11a6.500 6.500 0 0 1 13 0C18.500 15 12 21 12 21zM12 12.200a2.200 2.200 0 1 0 0-4.400 2.200 2.200 0 0 0 0 4.400z",
  eraser: "M8 20h12M5 16.500 13.500 5.700a2 2 0 0 1 2.800-.3l3.200 2.500a2 2 0 0 1 .3 2.800L12.500 20H8.500l-3.200-2.500a.8.8 0 0 1-.3-1zM10 10.500l5.800 4.800",
  pick: "M14.500 6.500l3 3M12.500 8.500l4-4a2.100 2.100 0 0 1 3 3l-4 4M12 8l4 4M13.500 10.500 6.500 17.500c-.5.5-1.300.5-2 1L3.500 20.500l2-1c.5-.7.500-1.500 1-2",
  neutral: "M12 3.500c3.500 4.200 5.500 7 5.500 10a5.500 5.500 0 0 1-11 0c0-3 2-5.800 5.500-10zM4 4l16 16",
  link: "M10 14a4 4 0 0 0 5.700 0l3-3A4 4 0 0 0 13 5.300l-1 1M14 10a4 4 0 0 0-5.700 0l-3 3a4 4 0 0 0 5.700 5.700l1-1",
  hand: "M8 12V5.800a1.500 1.500 0 0 1 3 0V11m0-6.500a1.500 1.500 0 0 1 3 0V11m0-4.500a1.500 1.500 0 0 1 3 0V14c0 4-2.300 6.500-5.500 6.500-2.800 0-4.200-1.300-5.500-3.500L4 13.500a1.500 1.500 0 0 1 2.500-1.600L8 13.500",
  undo: "M4 9h10a6 6 0 0 1 0 12h-3M4 9l4-4M4 9l4 4",
  redo: "M20 9H10a6 6 0 0 0 0 12h3M20 9l-4-4M20 9l-4 4",
  plus: "M12 5v14M5 12h14",
  minus: "M5 12h14",
  compare: "M12 3v18M4 6.500h5v11H4zM15 6.500h5v11h-5z",
  eye: "M2.500 12S6 5.500 12 5.500 21.500 12 21.500 12 18 18.500 12 18.500 2.500 12 2.500 12zM12 14.700a2.700 2.700 0 1 0 0-5.400 2.700 2.700 0 0 0 0 5.400z",
  closed: "M4 4l16 16M9.500 5.800A9 9 0 0 1 12 5.500c6 0 9.500 6.500 9.500 6.500a16 16 0 0 1-3 3.700M6 7.700A16 16 0 0 0 2.500 12S6 18.500 12 18.500a9 9 0 0 0 3.600-.7",
  keys: "M3 7.500h18v9H3zM6.500 10.500h.01M9.500 10.500h.01M12.500 10.500h.01M15.500 10.500h.01M17.800 10.500h.01M8 13.500h8",
  copy: "M9 9h11v11H9zM15 9V4H4v11h5",
  save: "M12 4v11M7.500 11l4.500 4.500L16.500 11M4.500 19.500h15",
  close: "M6 6l12 12M18 6 6 18",
  warn: "M12 4 2.800 19.500h18.400zM12 10v4.500M12 17.200h.01",
  trash: "M4.500 7h15M9.500 7V4.500h5V7M6.500 7l1 13h9l1-13M10 11v5.500M14 11v5.500",
  check: "M5 12.500l4.500 4.500L19 7.500",
  picture: "M4 5h16v14H4zM4 16l4.500-4.500 4 4L15.500 12 20 16.500M15.500 9h.01",
  search: "M10.500 16.500a6 6 0 1 0 0-12 6 6 0 0 0 0 12zM15 15l5.500 5.500",
  pen: "M4 20l1-4L16.500 4.500l3 3L8 19z",
};

/** An icon as an element. */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

/** Give every element with data-icon its icon, before its text. */
export function placeIcons(root = document) {
  for (const element of root.querySelectorAll("[data-icon]")) element.prepend(icon(element.dataset.icon));
}
