import { onAbort, throwIfAborted } from '../abort';
import { invalid } from '../errors';
import type { PretrainedOptions, ProgressInfo } from '../pretrained_options';
import { kindOf } from '../tensor';

/**
 * Runs `work` with options whose progress_callback throws nowhere: what the caller's throws aborts the work and is
 * thrown in its place.
 */
export async function withProgress<Options extends PretrainedOptions, Result>(
  options: Options,
  work: (options: Options) => Promise<Result>,
): Promise<Result> {
  const { progress_callback: report, signal } = options;
  if (report === undefined || report === null) return work(options);
  if (typeof report !== 'function') invalid(`progress_callback: got ${kindOf(report)}, expected a function`);
  throwIfAborted(signal);
  const stop = new AbortController();
  const forget = onAbort(signal, () => stop.abort(signal?.reason));
  let thrown: { error: unknown } | undefined;
  const progress_callback = (info: ProgressInfo): void => {
    if (thrown) return;
    try {
      report(info);
    } catch (error) {
      thrown = { error };
      stop.abort(error);
    }
  };
  try {
    return await work({ ...options, progress_callback, signal: stop.signal });
  } catch (error) {
    throw thrown ? thrown.error : error;
  } finally {
    forget();
  }
}
