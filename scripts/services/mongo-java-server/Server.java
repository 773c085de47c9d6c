import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.h2.H2Backend;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.wire.message.MongoMessage;
import java.util.List;
import org.h2.mvstore.MVStore;

/**
 * mongo-java-server on 127.0.0.1, for tests. Guarantee: a command sees all of the one before it, and what was
 * acknowledged is in the file, so that it survives the end of this process by any signal.
 *
 * <p>Arguments: file, port.
 */
public final class Server {
    public static void main(String[] args) {
        MVStore store = new MVStore.Builder().fileName(args[0]).autoCommitDisabled().open();
        // Space of older versions is used again after so many milliseconds.
        store.setRetentionTime(1_000);
        Durable backend = new Durable(store);
        backend.version(new Version());
        MongoServer server = new MongoServer(backend);
        server.bind("127.0.0.1", Integer.parseInt(args[1]));
        Runtime.getRuntime().addShutdownHook(new Thread(server::shutdownNow));
    }

    /** Left to itself the store would write once a second, in the middle of whatever command runs then. */
    private static final class Durable extends H2Backend {
        Durable(MVStore store) {
            super(store);
        }

        @Override
        public synchronized Document handleMessage(MongoMessage message) {
            Document answer = super.handleMessage(message);
            commit();
            return answer;
        }
    }

    /** The oldest that the driver talks to. */
    private static final class Version implements MongoVersion {
        @Override
        public List<Integer> getVersionArray() {
            return List.of(4, 4, 0);
        }

        @Override
        public int getWireVersion() {
            return 9;
        }
    }
}
