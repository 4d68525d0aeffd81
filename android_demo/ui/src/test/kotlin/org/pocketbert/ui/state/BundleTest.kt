package org.pocketbert.ui.state

import kotlinx.coroutines.test.runTest
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir
import org.pocketbert.core.Bundle
import org.pocketbert.core.NewerBundleException
import org.pocketbert.core.NoRoomException
import org.pocketbert.core.openBundle
import org.pocketbert.ui.FIXTURE
import java.nio.file.Files
import java.nio.file.Path
import kotlin.io.path.ExperimentalPathApi
import kotlin.io.path.copyToRecursively
import kotlin.test.assertEquals
import kotlin.test.assertIs

/** The first public key of RFC 8032's test vectors. */
private val SOMEBODYS_KEY =
    "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a".hexToByteArray()

class BundleTest {
    @Test
    fun `a good bundle is ready`() = demoTest {
        assertEquals("student", assertIs<BundleState.Ready>(state.bundle).manifest.student.name)
    }

    @Test
    fun `no bundle is told`(@TempDir folder: Path) {
        assertIs<Problem.NoBundle>(problemOf { openBundle(folder.resolve("none")) })
    }

    @OptIn(ExperimentalPathApi::class)
    @Test
    fun `a damaged bundle names the file`(@TempDir folder: Path) {
        val bundle = folder.resolve("bundle")
        FIXTURE.copyToRecursively(bundle, followLinks = false, overwrite = false)
        Files.write(bundle.resolve("tflite/model.tflite"), byteArrayOf(1))
        val problem = problemOf { openBundle(bundle) }
        assertEquals("tflite/model.tflite", assertIs<Problem.DamagedBundle>(problem).path)
    }

    @Test
    fun `another one's signature is told`() {
        assertIs<Problem.UntrustedBundle>(problemOf { openBundle(FIXTURE, SOMEBODYS_KEY) })
    }

    @Test
    fun `a newer bundle is told`() {
        assertIs<Problem.NewerBundle>(problemOf { throw NewerBundleException("2.0") })
    }

    @Test
    fun `a disk that is too full is told, and by how much`() {
        assertEquals(Problem.NoRoom(12, "full"), problemOf { throw NoRoomException(12, "full") })
    }

    @Test
    fun `what nobody thought of is told`() {
        assertEquals(Problem.Unexpected("disk"), problemOf { throw OutOfMemoryError("disk") })
    }

    @Test
    fun `trying again finds a bundle that is there by then`() = runTest {
        var isThere = false
        val demo = DemoFixture(this) {
            if (isThere) openBundle(FIXTURE) else openBundle(FIXTURE.resolve("none"))
        }
        demo.settle()
        assertIs<BundleState.Failed>(demo.state.bundle)
        isThere = true
        demo.demo.retry()
        assertEquals(BundleState.Loading, demo.state.bundle)
        demo.settle()
        assertIs<BundleState.Ready>(demo.state.bundle)
    }

    @Test
    fun `nothing can be asked before the bundle is ready`() = runTest {
        val demo = DemoFixture(this)
        demo.demo.ask()
        demo.demo.runSelfTest()
        assertEquals(AnswerState.Idle, demo.state.answer)
        assertEquals(SelfTestState.NotRun, demo.state.selfTest)
    }

    private fun problemOf(open: suspend () -> Bundle): Problem {
        var problem: Problem? = null
        runTest {
            val demo = DemoFixture(this, open = open).apply { settle() }
            problem = assertIs<BundleState.Failed>(demo.state.bundle).problem
        }
        return checkNotNull(problem)
    }
}
