/** A failure told by a worker, thrown again in the page. */

export class AppError extends Error {
  /** Chooses the words that people read. */
  readonly code: string;

  constructor({ code, message }: { readonly code: string; readonly message: string }) {
    super(message);
    this.name = 'AppError';
    this.code = code;
  }
}
