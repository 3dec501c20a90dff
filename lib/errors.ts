/** What went wrong, for programs; the message says it for people. */
export type AltCLIPErrorCode =
  | 'INVALID_ARGUMENT'
  | 'MODEL_FORMAT'
  | 'UNSUPPORTED'
  | 'OUT_OF_MEMORY'
  | 'ABORTED'
  | 'DISPOSED'
  | 'IO'
  | 'HUB'
  | 'IMAGE'
  | 'ADDON'
  | 'INTERNAL';

/**
 * The one error class of altclip.
 *
 * `code` is stable; `message` names the file, key or argument and says what was expected. An aborted call has code
 * 'ABORTED' and name 'AbortError', as the web platform's errors do.
 */
export class AltCLIPError extends Error {
  readonly code: AltCLIPErrorCode;

  constructor(code: AltCLIPErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = code === 'ABORTED' ? 'AbortError' : 'AltCLIPError';
    this.code = code;
  }
}

/** Awaits a native call; its error becomes an AltCLIPError that carries the caller's stack. */
export async function fromNative<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    throw asAltCLIPError(error);
  }
}

/** A native error (an Error with a `code` of ours) as AltCLIPError; anything else as it is. */
export function asAltCLIPError(error: unknown): unknown {
  if (error instanceof AltCLIPError || !(error instanceof Error) || !('altclip' in error)) return error;
  return new AltCLIPError((error as unknown as { code: AltCLIPErrorCode }).code, error.message);
}

/** Throws INVALID_ARGUMENT. */
export function invalid(message: string): never {
  throw new AltCLIPError('INVALID_ARGUMENT', message);
}
