package org.pocketbert.engines

import org.pocketbert.core.EngineException

/**
 * Runs what calls into a runtime, and turns what that throws into an [EngineException].
 *
 * Of errors, these are a runtime's: its native library is absent or built for another phone, or the
 * model does not fit into memory.
 */
internal inline fun <T> guarded(what: String, block: () -> T): T =
    try {
        block()
    } catch (err: RuntimeException) {
        throw EngineException("$what: ${err.message}", err)
    } catch (err: LinkageError) {
        throw EngineException("$what: this device cannot load its native library", err)
    } catch (err: OutOfMemoryError) {
        throw EngineException("$what: there is not enough memory", err)
    }
