package org.pocketbert.core

import kotlin.test.assertContains
import kotlin.test.assertFailsWith
import org.junit.jupiter.api.Test
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.CsvSource

class VersionsTest {
    @ParameterizedTest
    @CsvSource(
        "1.4,1.4.1", "1.4.1,1.4.1", "1.4.0,1.4", "1.9,1.10", "1.9.9,2.0", "2.17.0,2.17.0.1", "0,0",
    )
    fun `a runtime that is as new runs it`(least: String, own: String) {
        checkRuntime(needing("executorch" to least), mapOf("executorch" to own))
    }

    @ParameterizedTest
    @CsvSource(
        "1.4.1,1.4", "1.10,1.9", "2.0,1.99", "2.18.0,2.17.9", "1.4,1.4-rc1", "1.4,''", "1.4,v2",
        "x,1.4", "1.4,٢.٤", "1.4,9999999999",
    )
    fun `one that is older, or of no known version, is refused`(least: String, own: String) {
        val err = assertFailsWith<UnsupportedArtifactException> {
            checkRuntime(needing("executorch" to least), mapOf("executorch" to own))
        }
        assertContains(err.message.orEmpty(), "executorch $least")
    }

    @Test
    fun `every runtime that it names must be there`() {
        val needy = needing("executorch" to "1.4", "tensorflow-lite" to "2.17")
        checkRuntime(needy, mapOf("executorch" to "1.4", "tensorflow-lite" to "2.17"))
        assertFailsWith<UnsupportedArtifactException> {
            checkRuntime(needy, mapOf("executorch" to "1.4"))
        }
        checkRuntime(needing(), emptyMap())
    }

    private fun needing(vararg requires: Pair<String, String>) =
        Fixture.opened.manifest.artifacts.first().copy(requires = mapOf(*requires))
}
