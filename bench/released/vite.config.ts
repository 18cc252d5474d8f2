/** Builds the page that runs released models at real size. */
import { pageConfig } from '../../scripts/lib/page-config.ts';

export default pageConfig('bench/released', 'dist-released');
