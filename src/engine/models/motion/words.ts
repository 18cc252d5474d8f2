/** The words that the built-in model understands, English and Chinese, and what each asks for. */
import type { CameraMoveName } from './camera.ts';

export type WordMeaning =
  | { readonly kind: 'camera'; readonly move: CameraMoveName }
  | { readonly kind: 'still-camera' }
  | { readonly kind: 'ambient'; readonly what: 'sway' | 'water' | 'clouds' }
  | { readonly kind: 'strength'; readonly factor: number }
  | { readonly kind: 'loop' };

export type WordEntry = { readonly pattern: RegExp; readonly meaning: WordMeaning };

const CAMERA = '(?:camera|shot|view|lens)';
/** A verb of the camera, with or without an ending. */
const verb = (word: string): string => `(?:${word})(?:s|es|ed|ing|ning)?`;

const camera = (move: CameraMoveName, english: string, chinese: string): WordEntry[] => [
  { pattern: new RegExp(`\\b(?:${english})\\b`, 'g'), meaning: { kind: 'camera', move } },
  { pattern: new RegExp(chinese, 'g'), meaning: { kind: 'camera', move } },
];

const ambient = (
  what: 'sway' | 'water' | 'clouds',
  english: string,
  chinese: string,
): WordEntry[] => [
  { pattern: new RegExp(`\\b(?:${english})\\b`, 'g'), meaning: { kind: 'ambient', what } },
  { pattern: new RegExp(chinese, 'g'), meaning: { kind: 'ambient', what } },
];

const strength = (factor: number, english: string, chinese: string): WordEntry[] => [
  { pattern: new RegExp(`\\b(?:${english})\\b`, 'g'), meaning: { kind: 'strength', factor } },
  { pattern: new RegExp(chinese, 'g'), meaning: { kind: 'strength', factor } },
];

const towards = (direction: string): string =>
  `(?: (?:slowly|slightly|gently))?(?: to| towards?)?(?: the)? ${direction}`;
const pan = (direction: string): string =>
  `${verb('pan')}${towards(direction)}|${CAMERA} ${verb('mov|move|slid|slide|track')}${towards(direction)}|truck${towards(direction)}`;
const turn = (direction: string): string =>
  `${verb('yaw')}${towards(direction)}|${CAMERA} ${verb('turn|rotat|rotate')}${towards(direction)}`;

/** In the order in which they are looked for: what an earlier entry has matched is gone for the later ones. */
export const WORDS: readonly WordEntry[] = [
  {
    pattern:
      /\b(?:(?:static|still|fixed|locked|steady) (?:camera|shot|view|frame)|no camera(?: movement| motion)?|tripod)\b/g,
    meaning: { kind: 'still-camera' },
  },
  { pattern: /固定镜头|镜头固定|镜头不动|静止镜头|三脚架/g, meaning: { kind: 'still-camera' } },
  ...camera('pan-left', pan('left'), '(?:镜头|相机)?(?:向左|左)(?:平移|移动|摇移|摇)'),
  ...camera('pan-right', pan('right'), '(?:镜头|相机)?(?:向右|右)(?:平移|移动|摇移|摇)'),
  ...camera(
    'pan-up',
    `${pan('up(?:wards?)?')}|${verb('tilt')} up(?:wards?)?|crane up|pedestal up`,
    '(?:镜头|相机)?(?:向上|上)(?:平移|移动|摇移|摇)|镜头上升|升镜头',
  ),
  ...camera(
    'pan-down',
    `${pan('down(?:wards?)?')}|${verb('tilt')} down(?:wards?)?|crane down|pedestal down`,
    '(?:镜头|相机)?(?:向下|下)(?:平移|移动|摇移|摇)|镜头下降|降镜头',
  ),
  ...camera('push-in', 'push(?:es|ing)? in|(?:slow|gentle) push|push-in', '缓慢推进|慢慢推近'),
  ...camera(
    'dolly-in',
    `${verb('dolly')}[ -](?:in|forwards?)|dollies in|${CAMERA} ${verb('mov|move')} (?:in|forwards?|closer)`,
    '镜头推进|镜头前移|推镜头|推轨|推近|推进',
  ),
  ...camera(
    'dolly-out',
    `${verb('dolly')}[ -](?:out|back(?:wards?)?)|dollies out|${verb('pull')} (?:out|back)|${CAMERA} ${verb('mov|move')} (?:out|back(?:wards?)?|away)`,
    '镜头拉远|镜头后移|拉镜头|后拉|拉远',
  ),
  ...camera('zoom-in', `${verb('zoom')}[ -]in|close[ -]in`, '变焦推近|放大|镜头拉近|拉近'),
  ...camera('zoom-out', `${verb('zoom')}[ -]out`, '变焦拉远|缩小'),
  ...camera(
    'roll-counterclockwise',
    `(?:${verb('roll')}|${verb('rotat|rotate')}|${verb('spin')}) (?:counter|anti)[ -]?clockwise|roll left`,
    '逆时针(?:旋转|滚转|转动)',
  ),
  ...camera(
    'roll-clockwise',
    `(?:${verb('roll')}|${verb('rotat|rotate')}|${verb('spin')}) clockwise|roll right|camera roll`,
    '顺时针(?:旋转|滚转|转动)',
  ),
  ...camera(
    'orbit-left',
    `${verb('orbit')}${towards('left')}|${verb('arc')}${towards('left')}`,
    '(?:向左|左)环绕',
  ),
  ...camera(
    'orbit-right',
    `${verb('orbit')}(?:${towards('right')})?(?: around)?|${verb('arc')}${towards('right')}|circl(?:es|ing) around`,
    '(?:向右|右)?环绕',
  ),
  ...camera('yaw-left', `${turn('left')}|look(?:s|ing)? left`, '(?:镜头|相机)?(?:向左|左)转'),
  ...camera('yaw-right', `${turn('right')}|look(?:s|ing)? right`, '(?:镜头|相机)?(?:向右|右)转'),
  ...camera('pitch-up', 'pitch(?:es|ing)? up|look(?:s|ing)? up', '(?:镜头|相机)?(?:仰|抬头)'),
  ...camera('pitch-down', 'pitch(?:es|ing)? down|look(?:s|ing)? down', '(?:镜头|相机)?(?:俯|低头)'),
  ...camera(
    'handheld',
    'hand[ -]?held|shaky(?: camera| cam)?|camera shake',
    '手持(?:镜头|摄影|拍摄)?|晃动镜头',
  ),
  ...ambient(
    'sway',
    'sway(?:s|ing)?|wind|windy|breez(?:e|es|y)|trees?|leaf|leaves|foliage|branch(?:es)?|grass(?:es)?|flowers?|plants?|meadows?|wheat|hair|rustl(?:e|es|ing)|flutter(?:s|ing)?',
    '摇曳|摇摆|飘动|微风|风吹|风|树叶|树木|树枝|树|叶子|草地|青草|草|花朵|花|植物|麦田|头发',
  ),
  ...ambient(
    'water',
    'waters?|waves?|rivers?|streams?|lakes?|seas?|oceans?|ripples?|rippling|waterfalls?|fountains?|surf|shore|flow(?:s|ing)?',
    '水面|水波|水流|流水|瀑布|喷泉|波浪|海浪|海面|大海|海水|河流|小溪|湖面|湖水|涟漪|流动|河|湖|海|浪|水',
  ),
  ...ambient(
    'clouds',
    'clouds?|cloudy|sky|skies|fog|foggy|mist|misty|smoke|steam|drift(?:s|ing)?',
    '云朵|云彩|白云|云海|天空|飘云|雾气|烟雾|云|雾|烟|天',
  ),
  ...strength(
    0.5,
    'very (?:gently|slowly|softly|subtly)|barely|slightest',
    '非常(?:轻柔|缓慢|轻微)|几乎不',
  ),
  ...strength(
    1.8,
    'very (?:strong(?:ly)?|fast|quickly)|violent(?:ly)?|wild(?:ly)?|stormy?',
    '非常(?:强烈|快)|剧烈|狂|猛烈',
  ),
  ...strength(
    0.7,
    'gent(?:ly|le)|slow(?:ly)?|soft(?:ly)?|subt(?:ly|le)|slight(?:ly)?|calm(?:ly)?|light(?:ly)?',
    '轻轻地?|轻柔地?|缓慢地?|慢慢地?|缓缓地?|柔和地?|微微|轻微',
  ),
  ...strength(
    1.4,
    'strong(?:ly)?|fast|quick(?:ly)?|rapid(?:ly)?|intense(?:ly)?|dynamic|dramatic(?:ally)?|lots? of motion',
    '强烈地?|快速地?|迅速地?|大幅度?|用力',
  ),
  {
    pattern: /\b(?:seamless(?:ly)? loop(?:s|ing)?|loop(?:s|ed|ing)?|cinemagraph)\b/g,
    meaning: { kind: 'loop' },
  },
  { pattern: /无缝循环|循环|动态照片/g, meaning: { kind: 'loop' } },
];

/** Words that carry no wish of their own and are not worth a remark. */
export const FILLER: ReadonlySet<string> = new Set(
  (
    'a an and the of in on at to with is are be it its this that there over under by from for as into up down while ' +
    'then very camera shot view scene picture photo image video animation move moves moving movement motion 的 了 着 在 和 与 镜头 画面 相机 图片 照片 中 里 上 地'
  ).split(' '),
);
