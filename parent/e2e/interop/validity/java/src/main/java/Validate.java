import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.DefaultProfileValidationSupport;
import ca.uhn.fhir.validation.FhirValidator;
import ca.uhn.fhir.validation.ResultSeverityEnum;
import ca.uhn.fhir.validation.SingleValidationMessage;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.hl7.fhir.common.hapi.validation.support.CommonCodeSystemsTerminologyService;
import org.hl7.fhir.common.hapi.validation.support.InMemoryTerminologyServerValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.ValidationSupportChain;
import org.hl7.fhir.common.hapi.validation.validator.FhirInstanceValidator;

/**
 * Reads FHIR R4 resources from standard input, one on each line, and prints for each a JSON array of its errors: the place and
 * the name of the rule. Codes are checked against the code systems of the R4 definitions; profiles that are not part of these
 * definitions are not checked.
 */
public final class Validate {
  public static void main(String[] args) throws Exception {
    FhirContext context = FhirContext.forR4();
    FhirInstanceValidator instance =
        new FhirInstanceValidator(
            new ValidationSupportChain(
                new DefaultProfileValidationSupport(context),
                new CommonCodeSystemsTerminologyService(context),
                new InMemoryTerminologyServerValidationSupport(context)));
    instance.setAnyExtensionsAllowed(true);
    instance.setErrorForUnknownProfiles(false);
    instance.setNoExtensibleWarnings(true);
    FhirValidator validator = context.newValidator();
    validator.registerValidatorModule(instance);

    ObjectMapper json = new ObjectMapper();
    PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      out.println(json.writeValueAsString(errors(validator, line)));
    }
  }

  private static List<String[]> errors(FhirValidator validator, String line) {
    List<String[]> errors = new ArrayList<>();
    try {
      for (SingleValidationMessage m : validator.validateWithResult(line).getMessages()) {
        if (m.getSeverity() == ResultSeverityEnum.ERROR || m.getSeverity() == ResultSeverityEnum.FATAL) {
          errors.add(new String[] {m.getLocationString(), m.getMessageId(), m.getMessage()});
        }
      }
    } catch (RuntimeException e) {
      errors.add(new String[] {"", "exception", e.getClass().getName()});
    }
    return errors;
  }
}
