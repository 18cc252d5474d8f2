/** Builds the page that compares videos. */
import { pageConfig } from '../../scripts/lib/page-config.ts';

export default pageConfig('bench/quality', 'dist-quality');
