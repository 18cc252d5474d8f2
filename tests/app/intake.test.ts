import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openApp } from './app.ts';
import type { OpenApp } from './app.ts';

let app: OpenApp;

beforeAll(async () => {
  app = await openApp();
});

afterAll(() => app?.close());

beforeEach(async () => {
  await app.page.reload();
  await app.page.waitForSelector('.sample');
});

/** Hands pictures of a size to the page in the way that `how` names. */
const hand = (how: 'paste' | 'drop', sizes: readonly (readonly [number, number])[]) =>
  app.page.evaluate(
    async (kind, wanted) => {
      const data = new DataTransfer();
      for (const [width, height] of wanted) {
        const canvas = new OffscreenCanvas(width, height);
        canvas.getContext('2d')?.fillRect(0, 0, width / 2, height);
        const blob = await canvas.convertToBlob({ type: 'image/png' });
        data.items.add(new File([blob], 'made.png', { type: 'image/png' }));
      }
      const options = { bubbles: true, cancelable: true };
      document.dispatchEvent(
        kind === 'paste'
          ? new ClipboardEvent('paste', { ...options, clipboardData: data })
          : new DragEvent('drop', { ...options, dataTransfer: data }),
      );
    },
    how,
    sizes,
  );

const shownSize = async (): Promise<readonly [number, number]> => {
  await app.page.waitForFunction(
    () => document.querySelector<HTMLImageElement>('#picture')?.complete,
  );
  return app.page.$eval('#picture', (image) =>
    image instanceof HTMLImageElement
      ? ([image.naturalWidth, image.naturalHeight] as const)
      : ([0, 0] as const),
  );
};

describe('a picture comes in', () => {
  it('by dropping it anywhere', async () => {
    await hand('drop', [[300, 200]]);
    await app.page.waitForSelector('#picture');
    expect(await shownSize()).toEqual([300, 200]);
  });

  it('by pasting it', async () => {
    await hand('paste', [[200, 300]]);
    await app.page.waitForSelector('#picture');
    expect(await shownSize()).toEqual([200, 300]);
  });

  it('with others beside it, one video each', async () => {
    await hand('drop', [
      [300, 200],
      [200, 200],
      [200, 300],
    ]);
    await app.page.waitForSelector('#picture');
    const words = await app.page.$eval('.remark', ({ textContent }) => textContent);
    expect(words).toContain('2 more');
    expect(await app.page.$eval('#generate', ({ textContent }) => textContent)).toContain('3');
  });

  it('from the camera, which is let go afterwards', async () => {
    await app.page.evaluate(() => {
      const canvas = document.createElement('canvas');
      [canvas.width, canvas.height] = [320, 240];
      const context = canvas.getContext('2d');
      setInterval(() => {
        context?.fillRect(0, 0, 320, 240);
      }, 20);
      const stream = canvas.captureStream(30);
      Object.assign(globalThis, { stream });
      navigator.mediaDevices.getUserMedia = async () => stream;
    });
    await app.page.click('#photograph');
    await app.page.waitForSelector('#snap:not(:disabled)');
    await app.page.click('#snap');
    await app.page.waitForSelector('#picture');
    expect(await shownSize()).toEqual([320, 240]);
    const states = await app.page.evaluate(() =>
      (globalThis as unknown as { stream: MediaStream }).stream
        .getTracks()
        .map(({ readyState }) => readyState),
    );
    expect(states).toEqual(['ended']);
  });

  it('and is said to be small where it is', async () => {
    await hand('drop', [[60, 60]]);
    await app.page.waitForSelector('.remark');
    expect(await app.page.$eval('.remark', ({ textContent }) => textContent)).toContain('small');
  });
});

describe('a model asks for what it takes:', () => {
  const use = async (model: string): Promise<void> => {
    await app.page.evaluate((name) => localStorage.setItem('zoetrope.model', name), model);
    await app.page.reload();
    await app.page.waitForSelector('#model-line');
  };

  afterAll(() => app.page.evaluate(() => localStorage.removeItem('zoetrope.model')));

  it('a second picture to arrive at', async () => {
    await use('dynamicrafter-512-interpolation');
    await app.page.waitForSelector('label[for=last-picture]', { timeout: 60_000 });
    const line = await app.page.$eval('#model-line', ({ textContent }) => textContent);
    expect(line).toContain('DynamiCrafter');
  });

  it('no picture at all, words alone', async () => {
    await use('newbie-image-exp0.1');
    await app.page.waitForFunction(
      () => document.querySelector('.estimate')?.textContent?.includes('memory'),
      { timeout: 60_000 },
    );
    expect(await app.page.$$eval('#motion', ({ length }) => length)).toBe(0);
    expect(await app.page.$$eval('label[for=last-picture]', ({ length }) => length)).toBe(0);
  });
});
