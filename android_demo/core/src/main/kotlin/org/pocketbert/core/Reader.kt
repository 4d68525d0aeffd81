package org.pocketbert.core

/**
 * Reads texts with one engine, which it closes. Not for two threads at once.
 *
 * What it can be asked is the task's own: `ask` of question answering.
 */
class Reader(internal val bundle: Bundle, internal val engine: Engine) : AutoCloseable {
    override fun close() = engine.close()
}
