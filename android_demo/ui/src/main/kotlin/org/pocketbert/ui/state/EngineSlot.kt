package org.pocketbert.ui.state

import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.sync.Mutex
import kotlinx.coroutines.sync.withLock
import org.pocketbert.core.Bundle
import org.pocketbert.core.Engine
import org.pocketbert.core.EngineFactory
import org.pocketbert.core.Reader
import org.pocketbert.core.UnreadableTextException

/** An engine did not open; [cause] says why. */
internal class EngineNotLoadedException(override val cause: Throwable) : Exception(cause)

/** An open engine, and what asks it. Closing the reader closes the engine. */
internal class OpenEngine(val backend: String, val engine: Engine, val reader: Reader)

/** Holds at most one engine open, as two may not fit, and lets one caller at a time to it. */
internal class EngineSlot {
    private val mutex = Mutex()
    private var held: OpenEngine? = null

    /**
     * Opens the engine if another one or none is open, and gives it to [block].
     *
     * An engine that fails in [block] is closed: it may be in any state, and is opened anew next
     * time.
     *
     * @throws EngineNotLoadedException it did not open.
     */
    suspend fun <T> use(bundle: Bundle, factory: EngineFactory, block: (OpenEngine) -> T): T =
        mutex.withLock {
            val opened = open(bundle, factory)
            try {
                block(opened)
            } catch (failure: Throwable) {
                if (failure !is CancellationException && failure !is UnreadableTextException) {
                    closeHeld()
                }
                throw failure
            }
        }

    /** Closes what is open, after the call that runs. */
    suspend fun close() = mutex.withLock { closeHeld() }

    private fun open(bundle: Bundle, factory: EngineFactory): OpenEngine {
        held?.takeIf { it.backend == factory.backend }?.let { return it }
        closeHeld()
        return try {
            val engine = factory.open(bundle, bundle.artifact(factory.backend))
            OpenEngine(factory.backend, engine, Reader(bundle, engine)).also { held = it }
        } catch (failure: Throwable) {
            throw EngineNotLoadedException(failure)
        }
    }

    private fun closeHeld() {
        val closed = held
        held = null
        try {
            closed?.reader?.close()
        } catch (_: Exception) {
            // What cannot even be closed has nothing more to say; another one can be opened.
        }
    }
}
