/** An end of a command that its user can understand: one message and an exit code. */

/** Exit codes: something went wrong, the input is bad, the user pressed Ctrl-C. */
export const EXIT = { failure: 1, badInput: 2, cancelled: 130 };

export class CommandError extends Error {
  /**
   * @param {string} message
   * @param {number} [exitCode]
   */
  constructor(message, exitCode = EXIT.failure) {
    super(message);
    this.name = 'CommandError';
    this.exitCode = exitCode;
  }
}
