// Checks in the page: every control has a name, and every text has contrast AA.

/** @param {import('playwright-core').Page} page @returns {Promise<string[]>} the problems */
export function audit(page) {
  return page.evaluate(() => {
    const visible = (node) => node.checkVisibility({ opacityProperty: true, visibilityProperty: true });
    const describe = (node) => `${node.tagName.toLowerCase()}#${node.id}.${node.className} "${(node.textContent || '').trim().slice(0, 30)}"`;
    const nameOf = (node) => (node.getAttribute('aria-label') || [...(node.labels || [])].map((l) => l.textContent).join('')
      || (node.getAttribute('aria-labelledby') || '').split(' ').filter(Boolean).map((id) => document.getElementById(id).textContent).join('')
      || node.textContent || '').trim();
    const wrong = [];
    for (const node of document.querySelectorAll('button, input, select, textarea, a, canvas, summary, [role="tabpanel"], dialog[open]')) {
      if (visible(node) && !nameOf(node) && !node.closest('[aria-label]')) wrong.push(`no name: ${describe(node)}`);
    }
    for (const image of document.querySelectorAll('img')) if (!image.hasAttribute('alt')) wrong.push(`no alt: ${image.src}`);
    const ids = [...document.querySelectorAll('[id]')].map((node) => node.id);
    for (const id of ids.filter((one, i) => ids.indexOf(one) !== i)) wrong.push(`two elements are #${id}`);

    const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    const rgba = (color) => {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = color;
      canvas.fillRect(0, 0, 1, 1);
      return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const luminance = (c) => c.slice(0, 3).map((v) => v / 255).map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
      .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = (node) => {
      for (let at = node; at; at = at.parentElement) {
        const color = rgba(getComputedStyle(at).backgroundColor);
        if (color[3] > 250) return color;
      }
      return [255, 255, 255, 255];
    };
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let text = walker.nextNode(); text; text = walker.nextNode()) {
      const node = text.parentElement;
      // WCAG exempts disabled controls.
      if (!text.textContent.trim() || !visible(node) || node.closest(':disabled, option, noscript, .skip')) continue;
      const style = getComputedStyle(node);
      const [a, b] = [luminance(rgba(style.color)), luminance(behind(node))].sort((x, y) => y - x);
      const ratio = (a + 0.05) / (b + 0.05);
      const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && Number(style.fontWeight) >= 700);
      if (ratio < (large ? 3 : 4.5)) wrong.push(`contrast ${ratio.toFixed(2)}: ${describe(node)}`);
    }
    return wrong;
  });
}
