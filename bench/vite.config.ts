/** Builds the bench's page, with the libraries that it compares with. */
import { pageConfig } from '../scripts/lib/page-config.ts';

export default pageConfig('bench', 'dist-bench');
