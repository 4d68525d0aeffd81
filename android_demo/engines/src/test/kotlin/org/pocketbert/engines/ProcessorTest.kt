package org.pocketbert.engines

import org.junit.jupiter.api.Test
import kotlin.test.assertEquals
import kotlin.test.assertTrue

class ProcessorTest {
    private val has = mapOf("arm64-fp16" to "8.2")

    @Test
    fun arm64WhoseCoresAllHaveArithmeticInHalvesHasIt() {
        assertEquals(has, processorVersions("aarch64", cores(NEW, NEW)))
    }

    @Test
    fun arm64OfWhichACoreLacksItOrThatListsNothingHasItNot() {
        for (cpuinfo in listOf(cores(OLD, OLD), cores(NEW, OLD), cores("$OLD fphp"), "", "Features")) {
            assertTrue(processorVersions("aarch64", cpuinfo).isEmpty(), cpuinfo)
        }
    }

    @Test
    fun otherProcessorsAreNotAskedForIt() {
        assertEquals(has, processorVersions("amd64", ""))
        assertEquals(has, processorVersions("x86_64", "flags\t\t: fpu f16c\n"))
    }

    private fun cores(vararg features: String) = features.withIndex()
        .joinToString("\n") { (core, own) -> "processor\t: $core\nFeatures\t: $own\n" }

    private companion object {
        const val OLD = "fp asimd evtstrm aes pmull sha1 sha2 crc32"
        const val NEW = "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid"
    }
}
