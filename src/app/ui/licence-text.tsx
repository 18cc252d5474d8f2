/** A licence by name, with its whole text where this build has it; else the page where its authors state it. */
import { useEffect, useState } from 'preact/hooks';
import { text } from '../i18n/text.ts';

const files = import.meta.glob<string>('../licences/*.txt', {
  query: '?url',
  import: 'default',
  eager: true,
});

type Licence = { readonly name: string; readonly url: string };

/** The text. */
export function LicenceText({ licence: { name, url } }: { readonly licence: Licence }) {
  const file = files[`../licences/${name.toLowerCase()}.txt`];
  const [whole, setWhole] = useState('');
  useEffect(() => {
    if (file === undefined) return;
    void fetch(file)
      .then((response) => response.text())
      .then(setWhole);
  }, [file]);
  return file === undefined ? (
    <p>
      {text('models.licenceAt', { name })}{' '}
      <a href={url} target="_blank" rel="noreferrer">
        {url}
      </a>
    </p>
  ) : (
    <pre class="licence-text" tabIndex={0} aria-label={name}>
      {whole}
    </pre>
  );
}
