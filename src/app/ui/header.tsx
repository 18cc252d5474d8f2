/** The top of the page: what this is, what it runs on, language and theme. */
import { chooseLocale, locale, LOCALES } from '../i18n/locale.ts';
import type { Locale } from '../i18n/locale.ts';
import { text } from '../i18n/text.ts';
import { signal } from '@preact/signals';
import { theme, THEMES } from '../state/theme.ts';
import type { Theme } from '../state/theme.ts';
import { Brand } from './brand.tsx';
import { Icon } from './icon.tsx';
import { MachineLine } from './machine-line.tsx';
import { ModelsDialog } from './models-dialog.tsx';
import { Select } from './select.tsx';

const NAMES: Readonly<Record<Locale, string>> = { en: 'English', 'zh-CN': '简体中文' };

const modelsOpen = signal(false);

/** The top of the page. */
export const Header = () => (
  <header class="top">
    <div class="title">
      <Brand />
      <div>
        <h1>{text('app.name')}</h1>
        <p>{text('app.tagline')}</p>
      </div>
    </div>
    <div class="tools">
      <button
        type="button"
        id="open-models"
        class="quiet"
        onClick={() => (modelsOpen.value = true)}
      >
        <Icon name="film" />
        {text('models.title')}
      </button>
      <Select
        id="language"
        icon="globe"
        label={text('language.label')}
        value={locale.value}
        options={LOCALES.map((name) => ({ value: name, label: NAMES[name], lang: name }))}
        onChange={(value) => void chooseLocale(value)}
      />
      <Select<Theme>
        id="theme"
        icon="theme"
        label={text('theme.label')}
        value={theme.value}
        options={THEMES.map((name) => ({ value: name, label: text(`theme.${name}`) }))}
        onChange={(value) => (theme.value = value)}
      />
    </div>
    <MachineLine />
    {modelsOpen.value && <ModelsDialog onClose={() => (modelsOpen.value = false)} />}
  </header>
);
