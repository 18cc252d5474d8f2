/** The bundled photographs, small; the whole one is fetched when it is chosen. */
import { examplePictures } from '../catalog.ts';
import { text, textOf } from '../i18n/text.ts';
import { choosePicture } from '../state/picture.ts';

const thumbnails = import.meta.glob<string>('../samples/*.jpg', {
  query: '?url',
  import: 'default',
  eager: true,
});

async function choose(url: string): Promise<void> {
  const response = await fetch(url);
  await choosePicture(await response.blob());
}

/** The samples as buttons. */
export const Samples = () => (
  <div class="samples">
    <p id="samples-title">{text('picture.samples')}</p>
    <ul aria-labelledby="samples-title">
      {examplePictures.map(({ name, url }) => (
        <li key={name}>
          <button type="button" class="sample" onClick={() => void choose(url)}>
            <img
              src={thumbnails[`../samples/${name}.jpg`] ?? url}
              alt={text('picture.sample', { name: textOf('sample', name) ?? name })}
              width={240}
              height={160}
            />
          </button>
        </li>
      ))}
    </ul>
  </div>
);
