package keylane.bench;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.confluent.parallelconsumer.offsets.OffsetSimultaneousEncoder;
import java.io.File;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeSet;
import java.util.stream.LongStream;

/**
 * How large Parallel Consumer's own encodings of offsets are. Its argument is a file with patterns as JSON; the last
 * line on standard output has for each, by name, the smallest encoding.
 */
public final class CodecSizes {
  /**
   * Which offsets of a partition are complete.
   *
   * @param base the first that is not: the offset to commit
   * @param completed those that are, above it
   */
  @JsonIgnoreProperties(ignoreUnknown = true)
  record Pattern(String name, long base, long[] completed) {}

  /**
   * What it would commit.
   *
   * @param smallest bytes, with the one that names the encoding
   * @param characters of the commit's metadata: those bytes in base 64
   */
  record Size(int smallest, int characters, String encoding) {}

  public static void main(String[] arguments) throws Exception {
    ObjectMapper json = new ObjectMapper();
    Map<String, Size> sizes = new LinkedHashMap<>();
    for (Pattern pattern : json.readValue(new File(arguments[0]), Pattern[].class)) {
      sizes.put(pattern.name(), sizeOf(pattern));
    }
    System.out.println(json.writeValueAsString(sizes));
  }

  private static Size sizeOf(Pattern pattern) throws Exception {
    // Its maps end with the highest offset that is complete, whatever else was delivered.
    long highest = LongStream.of(pattern.completed()).max().orElse(pattern.base());
    TreeSet<Long> incomplete = new TreeSet<>();
    LongStream.rangeClosed(pattern.base(), highest).forEach(incomplete::add);
    for (long offset : pattern.completed()) incomplete.remove(offset);
    OffsetSimultaneousEncoder encoder =
        new OffsetSimultaneousEncoder(pattern.base(), highest, incomplete).invoke();
    byte[] packed = encoder.packSmallest();
    String encoding = encoder.getSortedEncodings().first().getEncoding().name();
    return new Size(packed.length, Base64.getEncoder().encodeToString(packed).length(), encoding);
  }

  private CodecSizes() {}
}
