/** The part of the page where a picture is chosen, dropped, pasted, or taken from the examples. */
import { examplePictures } from './catalog.ts';
import { element } from './dom.ts';

export type PicturePanel = {
  /** The chosen file; undefined before the first choice. */
  readonly file: Blob | undefined;
};

/** Brings the panel to life; `onChoice` hears of every new picture. */
export function picturePanel(onChoice: () => void): PicturePanel {
  const drop = element('drop', HTMLFieldSetElement);
  const shown = element('picture', HTMLImageElement);
  const input = element('file', HTMLInputElement);
  let file: Blob | undefined;

  const choose = (chosen: Blob | null | undefined): void => {
    if (!chosen) return;
    file = chosen;
    URL.revokeObjectURL(shown.src);
    shown.src = URL.createObjectURL(chosen);
    shown.hidden = false;
    onChoice();
  };

  // A file that is no picture shows nothing here; Generate says what is wrong with it.
  shown.addEventListener('error', () => (shown.hidden = true));
  input.addEventListener('change', () => choose(input.files?.[0]));
  document.addEventListener('paste', (event) => choose(event.clipboardData?.files[0]));
  for (const type of ['dragenter', 'dragover'] as const) {
    document.addEventListener(type, (event) => {
      event.preventDefault();
      drop.classList.add('over');
    });
  }
  document.addEventListener('dragleave', (event) => {
    if (event.relatedTarget === null) drop.classList.remove('over');
  });
  document.addEventListener('drop', (event) => {
    event.preventDefault();
    drop.classList.remove('over');
    choose(event.dataTransfer?.files[0]);
  });

  const list = element('examples', HTMLParagraphElement);
  for (const { name, url } of examplePictures) {
    const button = document.createElement('button');
    button.type = 'button';
    const image = document.createElement('img');
    image.src = url;
    image.alt = `Example: ${name}`;
    button.append(image);
    button.addEventListener('click', async () => choose(await (await fetch(url)).blob()));
    list.append(button);
  }

  return {
    get file() {
      return file;
    },
  };
}
