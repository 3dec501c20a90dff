/**
 * Base of classes whose instances are called like functions: `await model(inputs)`, as in Python and transformers.js.
 *
 * The instance is a function with the class's prototype; a call goes to the class's method `_call`, whose type is `Call`.
 */
export const Callable = class {
  constructor() {
    const instance = (...args: unknown[]): unknown =>
      (instance as unknown as { _call: typeof instance })._call(...args);
    // biome-ignore lint/correctness/noConstructorReturn: the instance is the function
    return Object.setPrototypeOf(instance, new.target.prototype) as object;
  }
} as unknown as new <Call extends (...args: never[]) => unknown>() => Call;
