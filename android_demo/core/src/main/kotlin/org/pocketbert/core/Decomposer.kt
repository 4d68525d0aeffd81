package org.pocketbert.core

/**
 * Rule 4: canonical decomposition in canonical order.
 *
 * Sources are given by place: each first character of a decomposition takes the next source that
 * came in, each further one that of its neighbour. All that came before a run of marks is passed on
 * when it begins, so the sources of its own firsts are all that must be kept.
 */
internal class Decomposer(
    private val tables: UnicodeTables,
    private val next: CharacterSink,
) : CharacterSink {
    private var run = LongArray(16)
    private var runSize = 0
    private var runSources = IntArray(16)
    private var numSources = 0
    private var lastSource = NO_SOURCE

    override fun add(point: Int, source: Int) {
        if (point in FIRST_SYLLABLE..LAST_SYLLABLE) {
            val syllable = point - FIRST_SYLLABLE
            val trail = syllable % NUM_TRAILS
            put(FIRST_LEAD + syllable / (NUM_VOWELS * NUM_TRAILS), source)
            putFurther(FIRST_VOWEL + syllable / NUM_TRAILS % NUM_VOWELS)
            if (trail > 0) putFurther(FIRST_TRAIL + trail)
        } else {
            tables.decompositions.forEach(point) { made, place ->
                if (place == 0) put(made, source) else putFurther(made)
            }
        }
    }

    override fun finish() {
        passRun()
        lastSource = NO_SOURCE
        next.finish()
    }

    private fun put(point: Int, source: Int) {
        val rank = tables.combiningClass(point)
        if (rank == 0) {
            passRun()
            lastSource = source
            next.add(point, source)
            return
        }
        if (numSources == runSources.size) runSources = runSources.copyOf(2 * numSources)
        runSources[numSources++] = source
        hold(point, rank, isFurther = false)
    }

    private fun putFurther(point: Int) {
        val rank = tables.combiningClass(point)
        if (rank == 0) {
            passRun()
            next.add(point, lastSource)
        } else {
            hold(point, rank, isFurther = true)
        }
    }

    /** Keeps a mark as a number by which a plain sort puts marks in order, equal classes too. */
    private fun hold(point: Int, rank: Int, isFurther: Boolean) {
        if (runSize == run.size) run = run.copyOf(2 * runSize)
        val further = if (isFurther) FURTHER else 0
        run[runSize] = rank.toLong() shl RANK_SHIFT or
            (runSize.toLong() shl INDEX_SHIFT) or
            (further or point).toLong()
        runSize++
    }

    private fun passRun() {
        if (runSize == 0) return
        if (runSize > 1) run.sort(0, runSize)
        var numTaken = 0
        for (index in 0 until runSize) {
            val mark = run[index].toInt()
            if (mark and FURTHER == 0) {
                lastSource = runSources[numTaken++]
            } else if (lastSource == NO_SOURCE) {
                lastSource = runSources[0] // nothing stands before it
            }
            next.add(mark and POINT_MASK, lastSource)
        }
        runSize = 0
        numSources = 0
    }

    private companion object {
        const val NO_SOURCE = -1

        // The Unicode Standard, section 3.12.
        const val FIRST_SYLLABLE = 0xAC00
        const val LAST_SYLLABLE = 0xD7A3
        const val FIRST_LEAD = 0x1100
        const val FIRST_VOWEL = 0x1161
        const val FIRST_TRAIL = 0x11A7
        const val NUM_VOWELS = 21
        const val NUM_TRAILS = 28

        // A mark of a run, from the lowest bit: code point, whether further, index, class.
        const val POINT_MASK = 0x1FFFFF
        const val FURTHER = 0x200000
        const val INDEX_SHIFT = 22
        const val RANK_SHIFT = 54
    }
}
