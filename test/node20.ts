/** nock 15 needs Promise.withResolvers, which Node 20 does not have yet. Tests only. */
function withResolvers<T>(this: PromiseConstructor) {
  let resolve: (value: T | PromiseLike<T>) => void = () => undefined
  let reject: (reason?: unknown) => void = () => undefined
  const promise = new this<T>((a, b) => {
    resolve = a
    reject = b
  })
  return { promise, resolve, reject }
}

const constructor = Promise as PromiseConstructor & { withResolvers?: unknown }
constructor.withResolvers ??= withResolvers
