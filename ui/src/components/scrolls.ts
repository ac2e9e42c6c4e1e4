// Whatever scrolls must be reachable by keyboard; what does not need not be stopped at.

/** Attached to an element with overflow: makes it a stop of the Tab key while it has more than it shows. */
export function scrolls(element: HTMLElement): () => void {
  const look = () => {
    if (element.scrollHeight > element.clientHeight) element.tabIndex = 0;
    else element.removeAttribute('tabindex');
  };
  const sizes = new ResizeObserver(look);
  const content = new MutationObserver(look);
  sizes.observe(element);
  content.observe(element, { subtree: true, childList: true, characterData: true });
  return () => {
    sizes.disconnect();
    content.disconnect();
  };
}
